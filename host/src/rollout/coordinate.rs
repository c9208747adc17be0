//! Coordination of roll-outs on the node chosen for each type, and propagation of type changes to all nodes.
//!
//! Each step changes the record of the type by conditional write. So two nodes that both act as coordinator do no
//! harm, and any remaining node can continue where another stopped. A node takes no step without a session whose
//! lease holds, nor before the registry has confirmed that all members were polled. The node that changes a type
//! notifies the others, but may die before it does. So every node periodically reads all types again, and the
//! coordinator of a type notifies the others of changes that it finds.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use highlander_core::catalog::record::TypeRecord;
use highlander_core::catalog::rollout::Rollout;
use highlander_core::error::Error;
use highlander_core::id::TypeName;
use highlander_core::rollout::policy::{Step, awaited, decide};
use highlander_core::rollout::{ProgressQuery, Report};
use highlander_system::clock::wall_ms;
use tokio::time::{Instant, sleep, timeout_at};

use crate::router::Router;
use crate::router::rollout::Survey;

/// Bounds of the pause between checks of a roll-out: short while it progresses.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(250);
/// Interval at which a type with an open roll-out is read again regardless of notifications, and announced to
/// nodes that are behind.
const REREAD: Duration = Duration::from_secs(1);
/// Interval at which every node reads all types again: the node that changed a type may have died before it
/// notified the others.
const LOOK_AROUND: Duration = Duration::from_secs(10);
/// Maximum number of concurrent reads of types.
const READS_AT_ONCE: usize = 4;

/// Advances the roll-outs that this node coordinates, until the router is dropped.
pub async fn run(router: Weak<Router>) {
    let Some(mut news) = router.upgrade().map(|router| router.node().catalog().news().subscribe())
    else {
        return;
    };
    let mut pace = Pace::new();
    tokio::spawn(keep_up(router.clone()));
    loop {
        let Some(present) = router.upgrade() else { return };
        let began = Instant::now();
        let is_busy = attend(&present, &mut pace).await;
        drop(present);
        let changed = match is_busy {
            // The nodes may have delayed their reports for as long.
            true => timeout_at(began + pace.pause, news.changed()).await,
            false => Ok(news.changed().await),
        };
        if matches!(changed, Ok(Err(_))) {
            return;
        }
    }
}

/// Polling state: the pause, and the changes last seen and announced.
struct Pace {
    pause: Duration,
    generations: BTreeMap<TypeName, u64>,
    /// Newest change of each type that this node need not announce any more.
    told: BTreeMap<TypeName, u64>,
    reread_at: Instant,
    is_reread: bool,
}

impl Pace {
    fn new() -> Self {
        let (generations, told) = (BTreeMap::new(), BTreeMap::new());
        Self { pause: LOOK_MIN, generations, told, reread_at: Instant::now(), is_reread: false }
    }
}

/// Loads types that no notification announced to this node: those deployed before it started, so that their
/// components are compiled before the first call, and changes whose author died before it notified the others.
async fn keep_up(router: Weak<Router>) {
    let mut pause = LOOK_MAX;
    while let Some(present) = router.upgrade() {
        match look_around(&present).await {
            Ok(()) => pause = LOOK_AROUND,
            Err(error) => {
                tracing::warn!("the types could not be listed: {error}");
                pause = (pause * 2).min(LOOK_AROUND);
            }
        }
        drop(present);
        sleep(pause).await;
    }
}

/// Reads all types again. If they cannot be listed, reads the cached types again.
pub(super) async fn look_around(router: &Router) -> Result<(), Error> {
    let catalog = router.node().catalog();
    let listed = catalog.type_names().await;
    let names = listed.as_ref().map_or_else(|_| catalog.known_types(), Clone::clone);
    // New types are compiled one after the other.
    let (known, new): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| catalog.generation(name.as_str()).is_some());
    let read = move |name: TypeName| async move {
        if let Err(error) = catalog.refresh_now(&name).await {
            tracing::debug!(type_name = %name, "the type's record could not be read again: {error}");
        }
    };
    stream::iter(known).for_each_concurrent(READS_AT_ONCE, read).await;
    for name in new {
        read(name).await;
    }
    listed.map(drop)
}

/// Checks every type with an open roll-out, and announces changes. Returns whether there is more work soon.
async fn attend(router: &Router, pace: &mut Pace) -> bool {
    let catalog = router.node().catalog();
    let is_told = pass_on(router, pace).await;
    pace.is_reread = pace.reread_at.elapsed() >= REREAD;
    let mut has_moved = false;
    let open = catalog.rolling_out();
    pace.generations.retain(|name, _| open.iter().any(|record| record.name == *name));
    for record in &open {
        let (name, generation) = (&record.name, record.generation);
        has_moved |= pace.generations.insert(name.clone(), generation) != Some(generation);
        if pace.is_reread {
            pace.reread_at = Instant::now();
            let _ = catalog.refresh_now(name).await;
        }
    }
    // Together, because nodes may delay their reports.
    for open in join_all(open.iter().map(|of| surveyed(router, of))).await.into_iter().flatten() {
        has_moved |= step(router, open, pace).await;
    }
    pace.pause = if has_moved { LOOK_MIN } else { (pace.pause * 2).min(LOOK_MAX) };
    !(open.is_empty() && is_told)
}

/// Announces the changes of the types that this node coordinates, including those made by other nodes: their
/// author may be dead. Changes found without a session are announced once there is one. Returns whether nothing is
/// left to announce.
async fn pass_on(router: &Router, pace: &mut Pace) -> bool {
    let node = router.node();
    let generations = node.catalog().generations();
    pace.told.retain(|told, _| generations.iter().any(|(name, _)| name == told));
    for (name, generation) in generations {
        if pace.told.get(&name) == Some(&generation) {
            continue;
        }
        let Some(present) = router.membership() else { return false };
        if present.coordinates_rollout(&name) {
            node.publish_type_change(&name).await;
        }
        pace.told.insert(name, generation);
    }
    node.announce_untold().await
}

/// An open roll-out, and the reports of all nodes on it.
struct Surveyed<'a> {
    record: &'a TypeRecord,
    rollout: &'a Rollout,
    survey: Survey,
}

/// Returns the reports of all nodes on an open roll-out, if this node coordinates it. The nodes report when they have
/// reached what the next step depends on.
async fn surveyed<'a>(router: &Router, record: &'a TypeRecord) -> Option<Surveyed<'a>> {
    let rollout = record.rollout.as_ref()?;
    router.membership().filter(|present| present.coordinates_rollout(&record.name))?;
    let query = ProgressQuery { counts_live: false, awaited: awaited(record, rollout) };
    Some(Surveyed { record, rollout, survey: router.survey(&record.name, query).await? })
}

/// Takes the next step of one roll-out if it is due, and returns whether it was taken.
async fn step(router: &Router, open: Surveyed<'_>, pace: &mut Pace) -> bool {
    let Surveyed { record, rollout, survey } = open;
    let (name, node) = (&record.name, router.node());
    let step = decide(record, rollout, &survey.reports, wall_ms());
    if step == Step::Wait {
        let is_behind = |report: &Report| {
            report
                .progress
                .as_ref()
                .is_some_and(|progress| progress.generation != record.generation)
        };
        if pace.is_reread && survey.reports.iter().any(is_behind) {
            node.publish_type_change(name).await;
        }
        return false;
    }
    // A node that has joined since the survey must be polled before anything changes.
    if !survey.membership.is_confirmed().await {
        return false;
    }
    let changed = node.update_type(name, |present| {
        // Another node was faster.
        if present.rollout.as_ref() != Some(rollout) {
            return Ok(None);
        }
        step.apply(present, wall_ms());
        Ok(Some(()))
    });
    match changed.await {
        Ok(Some(())) => {
            tell(record, rollout, &step);
            // The change itself has already announced it.
            pace.told.extend(
                node.catalog()
                    .generation(name.as_str())
                    .map(|generation| (name.clone(), generation)),
            );
            true
        }
        Ok(None) => true,
        Err(error) => {
            tracing::warn!(type_name = %name, "the roll-out could not be advanced: {error}");
            false
        }
    }
}

fn tell(record: &TypeRecord, rollout: &Rollout, step: &Step) {
    let (type_name, revision) = (&record.name, rollout.revision);
    match step {
        Step::RollBack(why) => {
            tracing::warn!(%type_name, revision, "the revision is rolled back: {why}");
        }
        step => tracing::info!(%type_name, revision, ?step, "the roll-out continues"),
    }
}

#[cfg(test)]
mod tests;
