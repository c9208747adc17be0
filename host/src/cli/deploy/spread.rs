//! Follows the roll-out of a recorded revision and shows its progress, until every node serves the revision.
//!
//! The contacted node may be behind, or stop at any moment. The command therefore ends only when every member
//! reports that it serves the same record, or when the record itself says that the revision was rolled back.

use std::time::Duration;

use highlander_core::catalog::rollout::Stage;
use highlander_core::rollout::{Progress, Readiness};
use highlander_system::clock;

use super::super::client::{Answer, Client, Request, encoded};
use super::super::failure::{Exit, Failure};
use super::super::output;
use super::share;
use crate::wire::rollouts::{NodeProgress, Released, Rollout, RolloutStatus};
use crate::wire::types::Type;

/// Pause between two polls of a roll-out.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Time for which a node may fail to respond; long enough for a restart.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Time within which all nodes must report the final decision.
const HEAR_MAX: Duration = Duration::from_mins(2);

/// Shows the progress of a deployment or rollback until every node serves the revision. Prints `already` if the
/// request was a repetition.
pub(super) async fn spread(client: &Client, answer: Answer, already: &str) -> Result<(), Failure> {
    if client.is_json {
        return output::json(&answer.body);
    }
    let Released { type_name, revision, is_new, .. } = answer.read()?;
    let type_name = type_name.as_str();
    if !is_new {
        output::note(already);
    }
    let followed = follow(client, type_name, revision).await;
    followed.map_err(|failure| match failure.exit {
        Exit::Unavailable => goes_on(type_name, revision, &failure.message),
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
            let recorded: Type = read(client, &format!("/v1/types/{name}")).await?;
            if has_ended(&recorded, revision, &status.nodes) {
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

fn rolled_back(recorded: &Type, revision: u32) -> Option<&str> {
    let entry = recorded.revisions.iter().find(|entry| entry.number == revision);
    entry.and_then(|entry| entry.rolled_back.as_deref()).filter(|_| recorded.current != revision)
}

/// Whether the revision's outcome is decided and all members, given as `nodes`, have applied it.
fn has_ended(recorded: &Type, revision: u32, nodes: &[NodeProgress]) -> bool {
    let is_open = |open: &Rollout| open.revision == revision && open.stage != Stage::Verifying;
    if recorded.rollout.as_ref().is_some_and(is_open) {
        return false;
    }
    rolled_back(recorded, revision).is_some() || has_settled(nodes, recorded.generation)
}

/// Whether all nodes have read the record with this generation and notified their objects.
fn has_settled(nodes: &[NodeProgress], generation: u64) -> bool {
    let has_heard = |progress: &Progress| progress.has_applied(generation);
    !nodes.is_empty() && nodes.iter().all(|node| node.progress.as_ref().is_some_and(has_heard))
}

fn summary(nodes: &[NodeProgress]) -> String {
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

fn conclude(type_name: &str, revision: u32, recorded: &Type) -> Result<(), Failure> {
    if let Some(why) = rolled_back(recorded, revision) {
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
fn concluded(type_name: &str, revision: u32, recorded: &Type) -> String {
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
    use std::collections::BTreeMap;

    use highlander_core::caller::call_policy::TypeSet;
    use highlander_core::catalog::rollout::RolloutScope;
    use highlander_core::id::{Digest, TypeName};

    use super::*;
    use crate::wire::types::Revision;

    fn nodes(said: &[Option<(u64, bool)>]) -> Vec<NodeProgress> {
        let progress = |said: &Option<(u64, bool)>| {
            said.map(|(generation, is_turned)| Progress {
                generation,
                is_applied: is_turned,
                ..Progress::default()
            })
        };
        said.iter()
            .map(|said| NodeProgress { id: "a".to_owned(), progress: progress(said) })
            .collect()
    }

    fn recorded(current: u32, stage: Option<Stage>, rolled_back: Option<&str>) -> Type {
        let rollout = |stage| Rollout {
            revision: 2,
            previous: 1,
            stage,
            scope: RolloutScope::All,
            failures_per_mille_max: None,
            since_ms: 0,
            by: "ci".to_owned(),
        };
        let second = Revision {
            bytes: 1,
            deployed_at_ms: 0,
            deployed_by: "ci".to_owned(),
            digest: Digest::of(b"second"),
            is_collected: false,
            live_objects: 0,
            may_call: TypeSet::Every,
            number: 2,
            rolled_back: rolled_back.map(str::to_owned),
            schema_version: 1,
        };
        Type {
            configured_may_call: None,
            current,
            description: None,
            generation: 7,
            name: TypeName::new("todo").unwrap(),
            pinned: BTreeMap::new(),
            revisions: vec![second],
            rollout: stage.map(rollout),
        }
    }

    #[test]
    fn the_end_of_a_canary_names_its_objects() {
        for (scope, expected) in [
            (RolloutScope::All, "todo revision 2"),
            (
                RolloutScope::Percent(10),
                "todo revision 2 for 10 % of the objects; revision 1 stays current",
            ),
            (
                RolloutScope::Keys(vec!["a".to_owned()]),
                "todo revision 2 for the object a; revision 1 stays current",
            ),
        ] {
            let mut open = recorded(1, Some(Stage::Verifying), None);
            open.rollout.as_mut().unwrap().scope = scope;
            assert_eq!(concluded("todo", 2, &open), expected);
        }
        let replaced = recorded(3, None, None);
        assert_eq!(concluded("todo", 2, &replaced), "todo revision 2");
    }

    #[test]
    fn nothing_has_ended_before_all_nodes_serve_what_the_record_says() {
        let all = || nodes(&[Some((7, true)), Some((7, true))]);
        for (current, stage, said, expected) in [
            (2, Some(Stage::Verifying), all(), true),
            (2, None, all(), true),
            (1, Some(Stage::Preparing), all(), false),
            (2, Some(Stage::Rolling), all(), false),
            (2, None, nodes(&[Some((7, true)), None]), false),
            (2, None, nodes(&[Some((7, true)), Some((6, true))]), false),
            (2, None, nodes(&[Some((7, true)), Some((7, false))]), false),
            (2, None, nodes(&[Some((6, true)), Some((6, true))]), false),
            (2, None, nodes(&[]), false),
        ] {
            let shown = format!("{current} {stage:?} {said:?}");
            let recorded = recorded(current, stage, None);
            assert_eq!(has_ended(&recorded, 2, &said), expected, "{shown}");
        }
        let silent = nodes(&[None]);
        let back = recorded(1, None, Some("it failed"));
        assert!(has_ended(&back, 2, &silent), "it is decided");
        let forward = recorded(2, None, Some("it failed before"));
        assert!(!has_ended(&forward, 2, &silent), "it is current again");
        let again = recorded(1, Some(Stage::Preparing), Some("it failed before"));
        assert!(!has_ended(&again, 2, &silent), "it is being rolled out again");
    }
}
