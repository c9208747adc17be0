//! Removal of a type: its record is marked, calls to its objects are rejected, and its live objects end on all
//! nodes.
//!
//! A type that has objects is removed only on request (`force`). Their records stay in the store, and other code
//! opens them only on request (`catalog/removal.rs`). `component_gc` later removes the components that are no longer
//! needed.

#[cfg(test)]
mod tests;

use std::time::Duration;

use highlander_core::caller::Caller;
use highlander_core::catalog::record::{Removal, TypeRecord};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::TypeName;
use highlander_core::rollout::{Milestone, PROGRESS_WAIT_MAX, ProgressQuery, Report};
use highlander_system::clock::wall_ms;
use tokio::time::{Instant, sleep_until};

use crate::router::Router;
use crate::router::context::Context;

/// Maximum number of objects that are counted.
pub const COUNT_MAX: usize = 10_000;
/// Time limit for the live objects to end.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Condition of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalMode {
    /// Only a type without objects, whose record can be read, is removed.
    Checked,
    /// The type is removed although it has objects or its record is damaged.
    Forced,
}

/// Removes a type. Returns the number of objects left in the store; [`COUNT_MAX`] means that many or more.
///
/// # Errors
/// [`ErrorCode::UnknownType`]; [`ErrorCode::DeploymentConflict`] while a revision is being rolled out;
/// [`ErrorCode::TypeInUse`] if it has objects, and [`ErrorCode::RecordDamaged`] if its record is damaged, unless
/// `mode` is [`RemovalMode::Forced`]; [`ErrorCode::OutcomeUnknown`] if the type was removed but a node has not
/// reported that its objects ended; other codes if the store fails.
///
/// # Cancel safety
/// The type may have been removed.
pub async fn remove(
    router: &Router,
    type_name: &TypeName,
    mode: RemovalMode,
    by: &Caller,
) -> Result<usize, Error> {
    let node = router.node();
    let present = match node.catalog().revisions(type_name.as_str()).await {
        Err(error) if error.code == ErrorCode::RecordDamaged => {
            return give_up(router, type_name, mode, by, error).await;
        }
        present => present?,
    };
    // Rejects an invalid request before counting any objects.
    TypeRecord::clone(&present).remove(0, by, 0)?;
    let before = node.count_objects(type_name, COUNT_MAX).await?;
    if before > 0 && mode == RemovalMode::Checked {
        return Err(in_use(type_name, before));
    }
    let at_ms = wall_ms();
    node.update_type(type_name, |record| record.remove(before as u64, by, at_ms).map(Some)).await?;
    ended(router, type_name).await?;
    // A live object may have committed its first state after the first count.
    let left = node.count_objects(type_name, COUNT_MAX).await?;
    let is_refused = left > 0 && mode == RemovalMode::Checked;
    if is_refused || left != before {
        let changed = node.update_type(type_name, |record| {
            let Some(removal) = record.removed.take_if(|removal| removal.at_ms == at_ms) else {
                return Ok(None);
            };
            record.removed = (!is_refused).then_some(Removal { objects: left as u64, ..removal });
            Ok(Some(()))
        });
        changed.await?;
    }
    if is_refused {
        return Err(in_use(type_name, left));
    }
    tracing::info!(%type_name, %by, left, "the type was removed");
    Ok(left)
}

/// Removes a type whose record cannot be used. The damaged record is kept under another name.
async fn give_up(
    router: &Router,
    type_name: &TypeName,
    mode: RemovalMode,
    by: &Caller,
    damaged: Error,
) -> Result<usize, Error> {
    let node = router.node();
    if mode == RemovalMode::Checked {
        return Err(damaged.with_hint(format!(
            "restore types/{type_name}.json in the store, or remove the type: \
             highlander types remove {type_name} --force"
        )));
    }
    let left = node.count_objects(type_name, COUNT_MAX).await?;
    let removal = Removal { at_ms: wall_ms(), by: by.to_string(), objects: left as u64 };
    node.catalog().give_up(type_name, removal).await?;
    node.publish_type_change(type_name).await;
    node.catalog().refresh_now(type_name).await?;
    ended(router, type_name).await?;
    tracing::warn!(%type_name, %by, left, "the type was removed; its record was damaged");
    Ok(left)
}

/// Waits until no node has a live object of the removed type.
async fn ended(router: &Router, type_name: &TypeName) -> Result<(), Error> {
    let catalog = router.node().catalog();
    let ends = Instant::now() + TIMEOUT;
    loop {
        let generation = catalog.generation(type_name.as_str()).unwrap_or_default();
        let query = ProgressQuery::until(Milestone::Applied, generation);
        let next = Instant::now() + PROGRESS_WAIT_MAX;
        let reports = router.progress(type_name, query, Context::default()).await;
        let has_ended = |report: &&Report| report.has_applied(generation);
        let Some(silent) = reports.iter().find(|report| !has_ended(report)) else { return Ok(()) };
        if Instant::now() >= ends {
            let text = format!(
                "the type {type_name} is removed, but node {} has not reported that its objects have ended",
                silent.node
            );
            return Err(Error::new(ErrorCode::OutcomeUnknown, text)
                .with_hint("they end automatically; check the nodes: highlander nodes"));
        }
        // A node that cannot be reached does not delay its report.
        sleep_until(next).await;
    }
}

fn in_use(type_name: &TypeName, count: usize) -> Error {
    let count = match count {
        COUNT_MAX.. => format!("{COUNT_MAX} objects or more"),
        1 => "1 object".to_owned(),
        count => format!("{count} objects"),
    };
    let text = format!("the type {type_name} has {count}, so it was not removed");
    Error::new(ErrorCode::TypeInUse, text).with_hint(format!(
        "delete them, or keep them in the store: highlander types remove {type_name} --force"
    ))
}
