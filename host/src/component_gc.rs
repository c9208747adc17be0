//! Garbage collection of components that no object needs.
//!
//! The node that coordinates the roll-outs of a type also collects its components. A revision qualifies if it has
//! been unused for the retention time, no live object on any node may run it, and no record names it. It is first
//! marked as collected by conditional write, and only then is its component removed. `catalog/component_gc.rs`
//! decides which revisions are unused.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use highlander_core::catalog::component_gc::Retention;
use highlander_core::catalog::record::{TypeRecord, component_blob};
use highlander_core::error::Error;
use highlander_core::id::{Digest, TypeName};
use highlander_core::rollout::{ProgressQuery, Report};
use highlander_system::clock::wall_ms;
use tokio::time::sleep;

use crate::router::Router;

/// Number of passes per retention time. The resulting pause is clamped to the bounds below.
const LOOKS: u32 = 8;
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_mins(30);

/// Collects components until the router is dropped.
pub async fn run(router: Weak<Router>, retention: Retention) {
    let pause = Duration::from_millis(retention.after_ms) / LOOKS;
    let pause = pause.clamp(PAUSE_MIN, PAUSE_MAX);
    let mut removed = BTreeSet::new();
    loop {
        sleep(pause).await;
        let Some(router) = router.upgrade() else { return };
        if let Err(error) = look(&router, retention, &mut removed).await {
            tracing::warn!("unused components could not be collected: {error}");
        }
    }
}

/// Makes one pass over all types of this node. A type that fails does not stop the others, and the first such
/// error is returned at the end. `removed` lists the blobs that earlier passes removed.
async fn look(
    router: &Router,
    retention: Retention,
    removed: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let catalog = router.node().catalog();
    catalog.tidy_up().await?;
    let mut outcome = Ok(());
    for name in catalog.known_types() {
        // Without a session, this node cannot determine which revisions the objects of other nodes run.
        if router.membership().is_some_and(|present| present.coordinates_rollout(&name))
            && let Err(error) = look_at(router, &name, retention, removed).await
        {
            tracing::debug!(type_name = %name, "unused components of the type could not be collected: {error}");
            outcome = outcome.and(Err(error));
        }
    }
    outcome
}

async fn look_at(
    router: &Router,
    name: &TypeName,
    retention: Retention,
    removed: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let catalog = router.node().catalog();
    catalog.refresh_now(name).await?;
    let Some(record) = catalog.record(name.as_str()) else { return Ok(()) };
    let record = collect(router, Arc::unwrap_or_clone(record), retention).await?;
    for entry in record.revisions.iter().filter(|entry| entry.is_collected) {
        let blob = component_blob(entry.digest, entry.copy);
        if !removed.contains(&blob) {
            catalog.remove_component(entry).await?;
            removed.insert(blob);
        }
    }
    Ok(())
}

/// Collects what can be collected now, and returns the resulting record.
async fn collect(
    router: &Router,
    record: TypeRecord,
    retention: Retention,
) -> Result<TypeRecord, Error> {
    // The set of revisions that live objects run changes during a roll-out.
    if record.rollout.is_some() {
        return Ok(record);
    }
    if record.clone().retire(retention, wall_ms()) {
        return amend(router, record, |record| record.retire(retention, wall_ms())).await;
    }
    let overdue = record.overdue(retention, wall_ms());
    if overdue.is_empty() {
        return Ok(record);
    }
    // Live objects are checked before records: an object that runs none of these revisions can start to do so only
    // if its record names one.
    let Some(survey) = router.survey(&record.name, ProgressQuery::LIVE).await else {
        return Ok(record);
    };
    let Some(running) = running(&record, &survey.reports) else { return Ok(record) };
    // A node that was not queried may have objects that run any of them.
    if !survey.membership.is_confirmed().await {
        return Ok(record);
    }
    let mut in_use: BTreeSet<_> = overdue.intersection(&running).copied().collect();
    if in_use.len() < overdue.len() {
        in_use.extend(named(router, &record.name, &overdue).await?);
    }
    let name = record.name.clone();
    let record = amend(router, record, |record| {
        // A revision may have come into use again since the check.
        let overdue_still = record.overdue(retention, wall_ms());
        for digest in overdue.intersection(&overdue_still) {
            match in_use.contains(digest) {
                true => record.found_in_use(*digest, wall_ms()),
                false => record.collect(*digest),
            }
        }
        true
    });
    let record = record.await?;
    let (named, collected) = (in_use.len(), overdue.len() - in_use.len());
    tracing::info!(type_name = %name, named, collected, "searched for components that no object uses");
    Ok(record)
}

/// Returns the components that live objects may run, or `None` while the report of a node is missing or outdated.
fn running(record: &TypeRecord, reports: &[Report]) -> Option<BTreeSet<Digest>> {
    let digests: BTreeMap<_, _> =
        record.revisions.iter().map(|entry| (entry.number, entry.digest)).collect();
    let mut running = BTreeSet::new();
    for Report { progress, .. } in reports {
        let progress =
            progress.as_ref().filter(|p| p.generation == record.generation && p.is_applied)?;
        let may_run = &progress.live.as_ref()?.may_run;
        running.extend(may_run.iter().filter_map(|number| digests.get(number)));
    }
    Some(running)
}

/// Returns those of the given components that records name.
async fn named(
    router: &Router,
    type_name: &TypeName,
    wanted: &BTreeSet<Digest>,
) -> Result<BTreeSet<Digest>, Error> {
    let mut named = BTreeSet::new();
    let mut after = None;
    loop {
        let (ids, next) = router.node().record_ids(type_name, after).await?;
        named.extend(router.node().components_of(ids).await?.intersection(wanted));
        if next.is_none() || named.len() == wanted.len() {
            return Ok(named);
        }
        after = next;
    }
}

/// Changes the record and returns the result.
async fn amend(
    router: &Router,
    record: TypeRecord,
    change: impl Fn(&mut TypeRecord) -> bool,
) -> Result<TypeRecord, Error> {
    let amended = router
        .node()
        .update_type(&record.name, |present| Ok(change(present).then(|| present.clone())));
    Ok(amended.await?.unwrap_or(record))
}
