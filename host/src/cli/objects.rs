//! The commands for single objects (`call`, `get`, `put`, `delete`, `where`, `resume`, `deactivate`), and `list`.
//!
//! Replies are printed as the object returned them; the version is printed to standard error.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use highlander_core::id::ObjectId;
use highlander_core::limits::{ARGUMENT_BYTES_MAX, LIST_COUNT_MAX};
use http::Method;
use humantime_serde::re::humantime;
use serde_json::value::RawValue;

use super::arguments::{at_least_one, call_timeout, idempotency_key, type_name, version};
use super::client::{Answer, Client, Request, encoded, object_path};
use super::failure::{Exit, Failure};
use super::output;
use crate::wire;
use crate::wire::objects::{Deactivated, ObjectLocation};

const JSON: &str = "application/json";

/// Arguments of commands that take only an object.
#[derive(Debug, Args)]
pub(super) struct One {
    /// Object, such as todo/42
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
}

/// `highlander call`
#[derive(Debug, Args)]
pub(super) struct Call {
    /// Object, such as todo/42
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
    /// Handler to call
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    handler: String,
    /// Argument as JSON, or - for standard input [default: null]
    #[arg(value_name = "JSON", allow_hyphen_values = true, value_parser = json_argument)]
    argument: Option<String>,
    /// Execute the call only once, even if repeated with this key
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
    /// Timeout of the call, such as 5s
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = call_timeout)]
    timeout: Option<Duration>,
}

/// `highlander get`
#[derive(Debug, Args)]
pub(super) struct Get {
    /// Object, such as todo/42
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
}

/// `highlander put`
#[derive(Debug, Args)]
pub(super) struct Put {
    /// Object, such as todo/42
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
    /// New state as JSON, or - for standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true, value_parser = json_argument)]
    state: String,
    /// Only if the object is at this version
    #[arg(long, value_name = "VERSION", conflicts_with = "if_absent")]
    #[arg(allow_negative_numbers = true, value_parser = version)]
    if_match: Option<u64>,
    /// Only if the object was never changed, or is deleted
    #[arg(long)]
    if_absent: bool,
}

/// `highlander delete`
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Object, such as todo/42
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
    /// Only if the object is at this version
    #[arg(long, value_name = "VERSION", allow_negative_numbers = true, value_parser = version)]
    if_match: Option<u64>,
}

/// `highlander list`
#[derive(Debug, Args)]
pub(super) struct List {
    /// Type whose objects to list
    #[arg(value_name = "TYPE", value_parser = type_name)]
    type_name: String,
    /// Only keys that begin with this prefix
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// Only active objects
    #[arg(long)]
    active: bool,
    /// Print at most this many keys [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = at_least_one)]
    limit: Option<u64>,
}

impl Call {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        if let Some(command) = command_for(&self.handler) {
            let failure = Failure::usage(format!("{} has a separate command", self.handler));
            return Err(failure.with_hint(format!("highlander {command} {}", self.id)));
        }
        let path = format!("{}/{}", object_path(&self.id), encoded(&self.handler));
        let argument = self.argument.as_deref().map_or(Ok(Bytes::new()), read_json)?;
        let mut request = Request::new(Method::POST, path).with_body(JSON, argument);
        request = match &self.idempotency_key {
            Some(key) => {
                let hint = format!(
                    "repeat the call with --idempotency-key {key}: it is executed only once"
                );
                request.with_header("idempotency-key", key)?.when_unanswered(hint)
            }
            None => request.when_unanswered(
                "check the object before you repeat the call; calls with --idempotency-key KEY \
                 can be repeated safely",
            ),
        };
        if let Some(timeout) = self.timeout {
            let text = humantime::format_duration(timeout).to_string();
            request = request.with_header("highlander-timeout", &text)?;
        }
        let answer = client.send(request).await?;
        if answer.is_replayed() {
            output::note("this is the reply of an earlier call with the same key");
        }
        output::json(&answer.body)
    }
}

impl Get {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.send(Request::get(object_path(&self.id))).await?;
        note_version(&self.id, &answer);
        output::json(&answer.body)
    }
}

impl Put {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let request =
            Request::new(Method::PUT, object_path(&self.id)).when_unanswered(look_first(&self.id));
        let mut request = request.with_body(JSON, read_json(&self.state)?);
        if let Some(version) = self.if_match {
            request = request.with_header("if-match", &format!("\"{version}\""))?;
        }
        if self.if_absent {
            request = request.with_header("if-none-match", "*")?;
        }
        let answer = client.send(request).await?;
        note_version(&self.id, &answer);
        Ok(())
    }
}

impl Delete {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut request = Request::new(Method::DELETE, object_path(&self.id))
            .when_unanswered(look_first(&self.id));
        if let Some(version) = self.if_match {
            request = request.with_header("if-match", &format!("\"{version}\""))?;
        }
        let answer = client.send(request).await?;
        note_version(&self.id, &answer);
        Ok(())
    }
}

impl List {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut after: Option<String> = None;
        let mut unanswered = BTreeSet::new();
        loop {
            let page: wire::objects::List =
                client.send(self.request(left, after.as_deref())).await?.read()?;
            for key in &page.keys {
                if client.is_json {
                    output::value(key)?;
                } else {
                    output::line(key)?;
                }
            }
            left = left.saturating_sub(page.keys.len() as u64);
            unanswered.extend(page.unanswered.into_iter().flatten().map(|node| node.to_string()));
            if left == 0 || page.next.is_none() {
                return complete(unanswered);
            }
            after = page.next;
        }
    }

    fn request(&self, left: u64, after: Option<&str>) -> Request {
        let (type_name, prefix) = (encoded(&self.type_name), encoded(&self.prefix));
        let (limit, active) = (left.min(LIST_COUNT_MAX as u64), self.active);
        let after = encoded(after.unwrap_or_default());
        Request::get(format!(
            "/v1/objects/{type_name}?prefix={prefix}&after={after}&limit={limit}&active={active}"
        ))
    }
}

/// Fails if nodes did not respond, because the printed list may be incomplete.
fn complete(unanswered: BTreeSet<String>) -> Result<(), Failure> {
    if unanswered.is_empty() {
        return Ok(());
    }
    let nodes = unanswered.into_iter().collect::<Vec<_>>().join(", ");
    let text = format!("the list may be incomplete: these nodes did not respond: {nodes}");
    let failure = Failure { exit: Exit::Unavailable, message: text, hint: None };
    Err(failure.with_hint("check the nodes with: highlander nodes"))
}

impl One {
    pub(super) async fn locate(self, client: &Client) -> Result<(), Failure> {
        let path = format!("{}/owner", object_path(&self.id));
        let answer = client.send(Request::get(path)).await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        let found: ObjectLocation = answer.read()?;
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        output::table(&[
            row("object", self.id.to_string()),
            row("node", found.node.map_or_else(|| "none".to_owned(), |node| node.to_string())),
            row("tier", found.tier.as_str().to_owned()),
            row("exists", found.exists.to_string()),
            row("version", found.version.to_string()),
            row("epoch", found.epoch.to_string()),
            row("revision", found.revision.to_string()),
            row("mailbox", found.mailbox_len.to_string()),
            row(
                "waits for",
                found.waits_for.map_or_else(|| "none".to_owned(), |id| id.to_string()),
            ),
        ])
    }

    pub(super) async fn resume(self, client: &Client) -> Result<(), Failure> {
        let path = format!("{}/quarantine", object_path(&self.id));
        let answer =
            client.send(Request::new(Method::DELETE, path).when_unanswered(REPEATABLE)).await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        let had_failed: bool = answer.read()?;
        let text = if had_failed { "is no longer in quarantine" } else { "had not failed" };
        output::note(&format!("{} {text}", self.id));
        Ok(())
    }

    pub(super) async fn deactivate(self, client: &Client) -> Result<(), Failure> {
        let path = format!("{}/deactivate", object_path(&self.id));
        let answer =
            client.send(Request::new(Method::POST, path).when_unanswered(REPEATABLE)).await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        let Deactivated { was_active, .. } = answer.read()?;
        let text = if was_active {
            "is unloaded; its record stays in the store"
        } else {
            "was not active"
        };
        output::note(&format!("{} {text}", self.id));
        Ok(())
    }
}

/// The command for a name that is no handler to a node, which takes it for a request of another kind.
fn command_for(handler: &str) -> Option<&'static str> {
    match handler {
        "get" => Some("get"),
        "put" => Some("put"),
        "owner" => Some("where"),
        "events" => Some("watch"),
        "deactivate" => Some("deactivate"),
        _ => None,
    }
}

fn look_first(id: &ObjectId) -> String {
    format!("the request may have been executed; check before you repeat it: highlander get {id}")
}

fn note_version(id: &ObjectId, answer: &Answer) {
    if let Some(version) = answer.version() {
        output::note(&format!("{id} is at version {version}"));
    }
}

/// Hint for idempotent commands that got no response.
const REPEATABLE: &str = "repeat the command; it is safe to execute it twice";

/// Parses an argument. A negative number starts with a hyphen, as an option does; anything else that starts with
/// one is an unknown option.
fn json_argument(word: &str) -> Result<String, String> {
    let is_number = |rest: &str| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit());
    match word.strip_prefix('-') {
        Some(rest) if !is_number(rest) => Err("there is no such option".to_owned()),
        _ => Ok(word.to_owned()),
    }
}

/// Reads JSON from the command line or standard input.
fn read_json(argument: &str) -> Result<Bytes, Failure> {
    let text = match argument {
        "-" => {
            let mut text = Vec::new();
            // One byte more than the node accepts is enough for the node to report the limit.
            let mut input = std::io::stdin().lock().take(ARGUMENT_BYTES_MAX as u64 + 1);
            input.read_to_end(&mut text).map_err(|error| {
                Failure::environment(format!("cannot read standard input: {error}"))
            })?;
            text
        }
        text => text.as_bytes().to_vec(),
    };
    // An argument over the limit is not parsed: the node rejects it.
    if text.len() <= ARGUMENT_BYTES_MAX {
        serde_json::from_slice::<&RawValue>(&text).map_err(|error| not_json(&text, &error))?;
    }
    Ok(text.into())
}

fn not_json(text: &[u8], error: &serde_json::Error) -> Failure {
    match text.trim_ascii() {
        [] => Failure::usage("the argument is empty")
            .with_hint("leave it out for null; an empty string is '\"\"'"),
        [b'{' | b'[' | b'"', ..] => Failure::usage(format!("the argument is not JSON: {error}"))
            .with_hint("quote it as a whole for the shell: '{\"title\":\"buy milk\"}'"),
        _ => Failure::usage(format!("the argument is not JSON: {error}"))
            .with_hint("a string needs JSON quotes: '\"buy milk\"'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_refused_with_the_place_and_what_would_help() {
        for (argument, why, help) in [
            ("", "is empty", "leave it out"),
            (" \n", "is empty", "leave it out"),
            ("five", "line 1 column 2", "needs JSON quotes"),
            ("{\"a\"", "line 1 column 4", "as a whole"),
            ("[1,]", "line 1 column 4", "as a whole"),
            ("\"a", "line 1 column 2", "as a whole"),
        ] {
            let failure = read_json(argument).unwrap_err();
            assert!(failure.message.contains(why), "{argument}: {failure:?}");
            assert!(failure.hint.is_some_and(|hint| hint.contains(help)), "{argument}");
        }
        assert_eq!(read_json("-0.10").unwrap(), "-0.10");
    }
}
