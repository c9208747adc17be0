//! Deployments and roll-backs, followed until every node serves the resulting revision.
//!
//! A request changes the record of the type. The roll-out then proceeds automatically: one node, chosen by the
//! name of the type, polls all nodes and takes the next step ([`coordinate`]). `rollout/policy.rs` selects that
//! step, as a pure function.

mod coordinate;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::time::Duration;

use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::catalog::record::TypeRecord;
use highlander_core::catalog::repeated::{Back, RolledBack};
use highlander_core::catalog::rollout::Stage;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::TypeName;
use highlander_core::rollout::{Milestone, PROGRESS_WAIT_MAX, ProgressQuery, Report};
use highlander_system::clock::wall_ms;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::catalog::Deployed;
use crate::router::Router;
pub use coordinate::run;

/// Time after which following ends and the roll-out continues in the background.
const FOLLOW_MAX: Duration = Duration::from_mins(2);

/// Extent to which a request waits for its roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until every node serves the revision.
    AllNodes,
    /// Not at all: the roll-out continues in the background.
    Nothing,
}

impl Wait {
    /// Returns [`AllNodes`](Self::AllNodes) if `is_wanted`.
    #[must_use]
    pub fn for_all_nodes_if(is_wanted: bool) -> Self {
        if is_wanted { Self::AllNodes } else { Self::Nothing }
    }
}

/// Deploys a component, and waits for its roll-out as requested.
///
/// # Errors
/// As [`Node::deploy`](crate::node::Node::deploy); [`ErrorCode::RevisionRolledBack`] if it failed on too many objects,
/// or a node could not run it; [`ErrorCode::OutcomeUnknown`] if it takes too long, in which case the roll-out
/// continues.
///
/// # Cancel safety
/// A roll-out that has begun continues.
pub async fn deploy(
    router: &Router,
    wasm: bytes::Bytes,
    options: &DeployOptions,
    wait: Wait,
) -> Result<Deployed, Error> {
    let deployed = router.node().deploy(wasm, options).await?;
    if wait == Wait::AllNodes {
        follow(router, &deployed.type_name, deployed.revision).await?;
    }
    Ok(deployed)
}

/// Makes an older revision current, and waits for its roll-out as requested.
///
/// # Errors
/// [`ErrorCode::UnknownType`], [`ErrorCode::RevisionNotFound`], [`ErrorCode::DeploymentConflict`],
/// [`ErrorCode::IdempotencyKeyReused`], and those of [`deploy`].
///
/// # Cancel safety
/// A roll-back that has begun continues.
pub async fn roll_back(
    router: &Router,
    type_name: &TypeName,
    back: &Back,
    wait: Wait,
) -> Result<RolledBack, Error> {
    let node = router.node();
    node.catalog().refresh_now(type_name).await?;
    let unchanged = OnceLock::new();
    let changed = node.update_type(type_name, |record| {
        if let Some(revision) = record.rolled_back(back)? {
            let _ = unchanged.set(RolledBack { revision, is_new: false });
            return Ok(None);
        }
        let done = record.roll_back(back, wall_ms())?;
        if done.is_new || back.key.is_some() {
            return Ok(Some(done));
        }
        let _ = unchanged.set(done);
        Ok(None)
    });
    let done = changed.await?.or(unchanged.into_inner());
    let done = done.unwrap_or(RolledBack { revision: 0, is_new: false });
    let revision = done.revision;
    if wait == Wait::AllNodes {
        // The cached record may be older than the roll-back. It shows no open roll-out either, so that following
        // it would end too early.
        node.catalog().refresh_now(type_name).await.map_err(|error| {
            let text = format!(
                "the roll-back of {type_name} to revision {revision} continues, but cannot be \
                 followed: {error}"
            );
            let hint = format!("check its progress: highlander types {type_name}");
            Error::new(ErrorCode::OutcomeUnknown, text).with_hint(hint)
        })?;
        follow(router, type_name, revision).await?;
        heard(router, type_name, revision).await?;
    }
    Ok(done)
}

/// Waits until every node has applied the current revision to its objects. A reverted roll-out ends at once, so
/// there are no stages to follow.
async fn heard(router: &Router, type_name: &TypeName, revision: u32) -> Result<(), Error> {
    let ends = Instant::now() + FOLLOW_MAX;
    loop {
        let generation = router.node().catalog().generation(type_name.as_str()).unwrap_or_default();
        let query = ProgressQuery::until(Milestone::Applied, generation);
        let has_heard = |report: &Report| report.has_applied(generation);
        let next = Instant::now() + PROGRESS_WAIT_MAX;
        // Without a session, this node cannot determine which nodes must report.
        let survey = router.survey(type_name, query).await;
        if survey.is_some_and(|survey| survey.reports.iter().all(has_heard)) {
            return Ok(());
        }
        if Instant::now() >= ends {
            return Err(still_open(type_name, revision));
        }
        // A node that cannot be reached does not delay its report.
        sleep_until(next).await;
    }
}

/// Waits until every node serves a revision.
async fn follow(router: &Router, type_name: &TypeName, revision: u32) -> Result<(), Error> {
    let catalog = router.node().catalog();
    let mut news = catalog.news().subscribe();
    let ends = Instant::now() + FOLLOW_MAX;
    loop {
        // Until this node has read the new record, its cached record lacks the revision.
        let record = catalog.record(type_name.as_str());
        if let Some(record) = record.filter(|record| record.entry(revision).is_some()) {
            let is_open = record
                .rollout
                .as_ref()
                .is_some_and(|open| open.revision == revision && open.stage != Stage::Verifying);
            if !is_open {
                return ended(&record, revision);
            }
        }
        // A change whose notification is lost is found by the coordinator loop, which reads open roll-outs again.
        if timeout_at(ends, news.changed()).await.is_err() {
            return Err(still_open(type_name, revision));
        }
    }
}

fn still_open(type_name: &TypeName, revision: u32) -> Error {
    let text = format!(
        "revision {revision} of {type_name} is not on all nodes yet; its roll-out continues"
    );
    let hint = format!("check its progress: highlander types {type_name}");
    Error::new(ErrorCode::OutcomeUnknown, text).with_hint(hint)
}

fn ended(record: &TypeRecord, revision: u32) -> Result<(), Error> {
    let why = record.entry(revision).and_then(|entry| entry.rolled_back.as_ref());
    let Some(why) = why.filter(|_| record.current != revision) else { return Ok(()) };
    let text =
        format!("the roll-out of revision {revision} of {} was reverted: {why}", record.name);
    let hint = format!("list the objects that it failed for: highlander types {}", record.name);
    Err(Error::new(ErrorCode::RevisionRolledBack, text).with_hint(hint))
}
