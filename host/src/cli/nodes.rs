//! The `nodes` and `drain` commands.
//!
//! Both show the contacted node's view of the cluster. A node may be named without the digits of its session.

use std::time::Duration;

use clap::Args;
use highlander_core::clock::BootTime;
use highlander_core::registry::members::NodeStatus;
use highlander_system::clock;
use http::Method;
use humantime_serde::re::humantime;
use serde::Serialize;
use serde_json::value::RawValue;

use super::arguments::time;
use super::client::{Client, Request, encoded};
use super::failure::{Exit, Failure};
use super::output;
use crate::wire::nodes::{Node, Nodes};

/// Pause between two polls of a node.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// Pause before the drain request is repeated.
const ASK_PAUSE: Duration = Duration::from_secs(1);
/// Interval at which a drain without progress is shown again.
const PROGRESS_PAUSE: Duration = Duration::from_secs(5);
/// Number of digits that a session adds to a node's name.
const SESSION_DIGITS: usize = 8;

/// `highlander drain`
#[derive(Debug, Args)]
pub(super) struct Drain {
    /// Node to drain, with or without the digits of its session
    #[arg(value_name = "NODE")]
    node: String,
    /// Time to wait until the node owns no objects, such as 30s
    #[arg(long, value_name = "TIME", default_value = "2m")]
    #[arg(allow_hyphen_values = true, value_parser = time)]
    timeout: Duration,
}

/// Prints the nodes.
pub(super) async fn list(client: &Client) -> Result<(), Failure> {
    let answer = client.send(Request::get("/v1/nodes")).await?;
    if client.is_json {
        return output::documents(&answer.read::<Nodes<Box<RawValue>>>()?.nodes);
    }
    let Nodes { nodes }: Nodes = answer.read()?;
    let mut rows = vec![["NODE", "ADDRESS", "STANDING", "ACTIVE"].map(str::to_owned).to_vec()];
    rows.extend(nodes.into_iter().map(|node| {
        let active = node.active_objects.map_or_else(|| "?".to_owned(), |count| count.to_string());
        vec![node.id, node.address, node.status, active]
    }));
    output::table(&rows)
}

/// Output of `drain --json`.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    node: &'a str,
    drained: bool,
}

impl Drain {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let id = find(&nodes(client).await?, &self.node)?.id.clone();
        let path = format!("/v1/nodes/{}/drain", encoded(&id));
        tokio::select! {
            failure = ask(client, &path) => return Err(failure),
            waited = self.wait(client, &id) => waited?,
        }
        if client.is_json {
            let document = Outcome { node: &id, drained: true };
            return output::value(&document);
        }
        output::note(&format!("{id} is drained: it owns no objects and can be stopped"));
        Ok(())
    }

    /// Polls until the node owns no objects or has left the cluster.
    async fn wait(&self, client: &Client, id: &str) -> Result<(), Failure> {
        let begun = clock::now();
        let mut shown: Option<(Option<usize>, BootTime)> = None;
        loop {
            // The contacted node may be the one that drains, and may stop during this; only the deadline ends the
            // wait.
            let now = clock::now();
            let active = match nodes(client).await {
                Ok(nodes) => match nodes.into_iter().find(|node| node.id == id) {
                    None => return Ok(()),
                    Some(node) if is_drained(&node) => return Ok(()),
                    Some(node) => node.active_objects,
                },
                Err(failure) if failure.exit != Exit::Unavailable => return Err(failure),
                Err(_) => None,
            };
            let is_news = shown.is_none_or(|(count, at)| {
                count != active && now.since(at) >= LOOK_PAUSE * 4
                    || now.since(at) >= PROGRESS_PAUSE
            });
            if is_news {
                let count = active.map_or_else(|| "?".to_owned(), |count| count.to_string());
                output::note(&format!("{id} still owns {count} objects"));
                shown = Some((active, now));
            }
            if now.since(begun) >= self.timeout {
                let time = humantime::format_duration(self.timeout);
                let message = format!("{id} is not drained after {time}");
                let failure = Failure { exit: Exit::Unavailable, message, hint: None };
                return Err(
                    failure.with_hint("the drain continues; follow it with: highlander nodes")
                );
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

/// Requests the drain repeatedly, because one request may end before the drain does; returns only if the node
/// rejects it.
async fn ask(client: &Client, path: &str) -> Failure {
    loop {
        match client.send(Request::new(Method::POST, path)).await {
            // A drain is idempotent; the node's status shows whether the request was received.
            Ok(_) => {}
            Err(failure) if matches!(failure.exit, Exit::Unavailable | Exit::Unknown) => {}
            Err(failure) => return failure,
        }
        tokio::time::sleep(ASK_PAUSE).await;
    }
}

fn is_drained(node: &Node) -> bool {
    node.status == NodeStatus::Draining.as_str() && node.active_objects == Some(0)
}

async fn nodes(client: &Client) -> Result<Vec<Node>, Failure> {
    Ok(client.send(Request::get("/v1/nodes")).await?.read::<Nodes>()?.nodes)
}

/// Finds the one node with this name, either in full or without the digits of its session.
fn find<'a>(nodes: &'a [Node], name: &str) -> Result<&'a Node, Failure> {
    if let Some(node) = nodes.iter().find(|node| node.id == name) {
        return Ok(node);
    }
    let is_named = |node: &&Node| {
        let digits = node.id.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        digits.is_some_and(|digits| digits.len() == SESSION_DIGITS)
    };
    let found: Vec<_> = nodes.iter().filter(is_named).collect();
    let known: Vec<_> = nodes.iter().map(|node| node.id.as_str()).collect();
    match found.as_slice() {
        [node] => Ok(node),
        [] => Err(Failure::usage(format!("the cluster has no node {name:?}"))
            .with_hint(format!("the nodes are {}", known.join(", ")))),
        _ => Err(Failure::usage(format!("several nodes are named {name:?}"))
            .with_hint(format!("use the full name, one of {}", known.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, status: &str, active_objects: Option<usize>) -> Node {
        let (id, status) = (id.to_owned(), status.to_owned());
        Node { id, address: "127.0.0.1:7410".to_owned(), status, active_objects }
    }

    #[test]
    fn a_node_is_found_with_and_without_its_digits() {
        let ids = ["a-00000001", "a-b-00000002", "a-b-00000003", "c-00000004"];
        let nodes: Vec<_> = ids.iter().map(|id| node(id, "ready", Some(1))).collect();
        let found = |name: &str| find(&nodes, name).map(|node| node.id.clone()).ok();
        assert_eq!(found("a-00000001").as_deref(), Some("a-00000001"));
        assert_eq!(found("a").as_deref(), Some("a-00000001"));
        assert_eq!(found("c").as_deref(), Some("c-00000004"));
        assert_eq!((found("a-b"), found("b"), found("")), (None, None, None));
    }

    #[test]
    fn a_node_is_drained_when_it_owns_nothing_and_takes_nothing() {
        assert!(is_drained(&node("a", "draining", Some(0))));
        assert!(!is_drained(&node("a", "draining", Some(1))));
        assert!(!is_drained(&node("a", "draining", None)));
        assert!(!is_drained(&node("a", "ready", Some(0))));
    }
}
