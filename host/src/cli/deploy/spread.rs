//! Follows the roll-out of a recorded revision and shows its progress, until every node serves the revision.
//!
//! The contacted node may be behind, or stop at any moment. The command therefore ends only when every member
//! reports that it serves the same record, or when the record itself says that the revision was rolled back.

use std::time::Duration;

use highlander_core::catalog::rollout::Stage;
use highlander_core::rollout::{Progress, Readiness};
use highlander_system::clock;
use serde::Deserialize;

use super::super::client::{Answer, Client, Request, encoded};
use super::super::failure::{Exit, Failure};
use super::super::output;
use super::{Rollout, share};

/// Pause between two polls of a roll-out.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Time for which a node may fail to respond; long enough for a restart.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Time within which all nodes must report the final decision.
const HEAR_MAX: Duration = Duration::from_mins(2);

#[derive(Debug, Deserialize)]
struct Deployed {
    #[serde(rename = "type")]
    type_name: String,
    revision: u32,
    #[serde(default = "yes")]
    is_new: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
struct RolloutStatus {
    rollout: Option<Rollout>,
    nodes: Vec<NodeRolloutStatus>,
}

#[derive(Debug, Deserialize)]
struct NodeRolloutStatus {
    progress: Option<Progress>,
}

#[derive(Debug, Deserialize)]
struct Recorded {
    current: u32,
    generation: u64,
    rollout: Option<Rollout>,
    revisions: Vec<RecordedRevision>,
    pinned: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct RecordedRevision {
    number: u32,
    rolled_back: Option<String>,
}

/// Shows the progress of a deployment or rollback until every node serves the revision. Prints `already` if the
/// request was a repetition.
pub(super) async fn spread(client: &Client, answer: Answer, already: &str) -> Result<(), Failure> {
    if client.is_json {
        return output::json(&answer.body);
    }
    let Deployed { type_name, revision, is_new } = answer.read()?;
    if !is_new {
        output::note(already);
    }
    let followed = follow(client, &type_name, revision).await;
    followed.map_err(|failure| match failure.exit {
        Exit::Unavailable => goes_on(&type_name, revision, &failure.message),
        _ => failure,
    })
}

async fn follow(client: &Client, type_name: &str, revision: u32) -> Result<(), Failure> {
    let name = encoded(type_name);
    let (mut shown, mut closed_at) = (String::new(), None);
    loop {
        let status: RolloutStatus = read(client, &format!("/v1/types/{name}/rollout")).await?;
        let open = status.rollout.as_ref().filter(|open| open.revision == revision);
        if let Some(open) = open {
            let objects = share::objects(&open.scope)
                .map_or_else(String::new, |objects| format!(" {objects}"));
            let text = format!("revision {revision}{objects}: {}", summary(&status.nodes));
            if text != shown {
                output::note(&text);
                shown = text;
            }
        }
        if open.is_none_or(|open| open.stage == Stage::Verifying) {
            // The polled node's roll-out status may be behind; only the record is authoritative.
            let recorded: Recorded = read(client, &format!("/v1/types/{name}")).await?;
            if recorded.has_ended(revision, &status.nodes) {
                return conclude(type_name, revision, &recorded);
            }
            let since = *closed_at.get_or_insert_with(clock::now);
            if clock::now().since(since) >= HEAR_MAX {
                let why = format!(
                    "not every node has reported that it serves the revision: {}",
                    summary(&status.nodes)
                );
                return Err(goes_on(type_name, revision, &why));
            }
        } else {
            closed_at = None;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Fetches a document, with retries while the node restarts or opens a new session.
async fn read<D: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<D, Failure> {
    let since = clock::now();
    loop {
        match client.send(Request::get(path)).await {
            Err(failure)
                if failure.exit == Exit::Unavailable && clock::now().since(since) < SILENCE_MAX =>
            {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            answer => return answer?.read(),
        }
    }
}

fn goes_on(type_name: &str, revision: u32, why: &str) -> Failure {
    let message = format!(
        "revision {revision} of {type_name} is recorded, and its roll-out continues automatically: {why}"
    );
    let hint = format!("check its progress through any node: highlander types {type_name}");
    Failure { exit: Exit::Unknown, message, hint: Some(hint) }
}

impl Recorded {
    fn rolled_back(&self, revision: u32) -> Option<&str> {
        let entry = self.revisions.iter().find(|entry| entry.number == revision);
        entry.and_then(|entry| entry.rolled_back.as_deref()).filter(|_| self.current != revision)
    }

    /// Whether the revision's outcome is decided and all members, given as `nodes`, have applied it.
    fn has_ended(&self, revision: u32, nodes: &[NodeRolloutStatus]) -> bool {
        let is_open = |open: &Rollout| open.revision == revision && open.stage != Stage::Verifying;
        if self.rollout.as_ref().is_some_and(is_open) {
            return false;
        }
        self.rolled_back(revision).is_some() || has_settled(nodes, self.generation)
    }
}

/// Whether all nodes have read the record with this generation and notified their objects.
fn has_settled(nodes: &[NodeRolloutStatus], generation: u64) -> bool {
    let has_heard = |progress: &Progress| progress.generation == generation && progress.is_applied;
    !nodes.is_empty() && nodes.iter().all(|node| node.progress.as_ref().is_some_and(has_heard))
}

fn summary(nodes: &[NodeRolloutStatus]) -> String {
    let said: Vec<_> = nodes.iter().filter_map(|node| node.progress.as_ref()).collect();
    let ready = said.iter().filter(|progress| progress.readiness == Readiness::Ready).count();
    let turned = said.iter().filter(|progress| progress.is_applied).count();
    let well: usize = said.iter().map(|progress| progress.upgrades.succeeded).sum();
    let failed: usize = said.iter().map(|progress| progress.upgrades.failed).sum();
    let count = nodes.len();
    format!(
        "compiled on {ready} of {count} nodes, in use on {turned}, {well} objects switched, {failed} failed"
    )
}

fn conclude(type_name: &str, revision: u32, recorded: &Recorded) -> Result<(), Failure> {
    if let Some(why) = recorded.rolled_back(revision) {
        let text = format!("revision {revision} of {type_name} was rolled back: {why}");
        let hint = format!("list the objects that it failed for: highlander types {type_name}");
        return Err(Failure::rejected(text).with_hint(&hint));
    }
    let open = recorded.rollout.as_ref().filter(|open| open.revision == revision);
    if recorded.current != revision && open.is_none() {
        output::note(&format!("revision {} has become current since then", recorded.current));
    }
    if !recorded.pinned.is_empty() {
        let count = recorded.pinned.len();
        output::note(&format!(
            "{count} objects stay on their present revision; list the reasons: highlander types {type_name}"
        ));
    }
    output::line(&concluded(type_name, revision, recorded))
}

/// Returns the command's output line, which names the scope unless the revision is for all objects.
fn concluded(type_name: &str, revision: u32, recorded: &Recorded) -> String {
    let open = recorded.rollout.as_ref().filter(|open| open.revision == revision);
    match open.and_then(|open| share::objects(&open.scope)) {
        None => format!("{type_name} revision {revision}"),
        Some(objects) => {
            let current = recorded.current;
            format!("{type_name} revision {revision} {objects}; revision {current} stays current")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn nodes(said: &[Option<(u64, bool)>]) -> Vec<NodeRolloutStatus> {
        let progress = |said: &Option<(u64, bool)>| {
            said.map(|(generation, is_turned)| Progress {
                generation,
                is_applied: is_turned,
                ..Progress::default()
            })
        };
        said.iter().map(|said| NodeRolloutStatus { progress: progress(said) }).collect()
    }

    fn recorded(current: u32, stage: Option<&str>, rolled_back: Option<&str>) -> Recorded {
        let rollout = stage.map(|stage| json!({ "revision": 2, "stage": stage, "scope": "all" }));
        let document: Value = json!({
            "current": current,
            "generation": 7,
            "rollout": rollout,
            "revisions": [{ "number": 2, "rolled_back": rolled_back }],
            "pinned": {},
        });
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn the_end_of_a_canary_names_its_objects() {
        for (scope, expected) in [
            (json!("all"), "todo revision 2"),
            (
                json!({ "percent": 10 }),
                "todo revision 2 for 10 % of the objects; revision 1 stays current",
            ),
            (
                json!({ "keys": ["a"] }),
                "todo revision 2 for the object a; revision 1 stays current",
            ),
        ] {
            let mut open = recorded(1, Some("verifying"), None);
            open.rollout.as_mut().unwrap().scope = serde_json::from_value(scope).unwrap();
            assert_eq!(concluded("todo", 2, &open), expected);
        }
        let replaced = recorded(3, None, None);
        assert_eq!(concluded("todo", 2, &replaced), "todo revision 2");
    }

    #[test]
    fn nothing_has_ended_before_all_nodes_serve_what_the_record_says() {
        let all = || nodes(&[Some((7, true)), Some((7, true))]);
        for (current, stage, said, expected) in [
            (2, Some("verifying"), all(), true),
            (2, None, all(), true),
            (1, Some("preparing"), all(), false),
            (2, Some("rolling"), all(), false),
            (2, None, nodes(&[Some((7, true)), None]), false),
            (2, None, nodes(&[Some((7, true)), Some((6, true))]), false),
            (2, None, nodes(&[Some((7, true)), Some((7, false))]), false),
            (2, None, nodes(&[Some((6, true)), Some((6, true))]), false),
            (2, None, nodes(&[]), false),
        ] {
            let shown = format!("{current} {stage:?} {said:?}");
            assert_eq!(recorded(current, stage, None).has_ended(2, &said), expected, "{shown}");
        }
        let silent = nodes(&[None]);
        assert!(recorded(1, None, Some("it failed")).has_ended(2, &silent), "it is decided");
        let forward = recorded(2, None, Some("it failed before"));
        assert!(!forward.has_ended(2, &silent), "it is current again");
        let again = recorded(1, Some("preparing"), Some("it failed before"));
        assert!(!again.has_ended(2, &silent), "it is being rolled out again");
    }
}
