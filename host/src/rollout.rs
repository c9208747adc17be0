//! Moves roll-outs on: one node, chosen by the type's name, asks all nodes how far they are and takes the next step.
//!
//! The steps are changes of the type's record, by conditional write, so that two nodes that both take themselves for
//! the chosen one do no harm, and whichever node is left goes on where another stopped. What the step is to be is
//! decided in `rollout/decide.rs`, which does nothing itself.

mod decide;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::caller::Caller;
use crate::catalog::record::TypeRecord;
use crate::catalog::rollout::{Rollout, Stage, Terms};
use crate::catalog::{Deployed, Taken};
use crate::clock::wall_ms;
use crate::error::{Code, Error};
use crate::id::TypeName;
use crate::router::Router;
use crate::router::context::Context;
use crate::router::rollout::Report;
use decide::{Step, decide};

/// Pauses between two looks at a roll-out: short while it moves.
const LOOK_MIN: Duration = Duration::from_millis(5);
const LOOK_MAX: Duration = Duration::from_millis(250);
/// How often a type that is being rolled out is read again, whatever notices say.
const REREAD: Duration = Duration::from_secs(1);
/// How often all types are: whoever changed one may have died before it could tell.
const LOOK_AROUND: Duration = Duration::from_secs(30);
/// How long a deployment is followed until it is said that it goes on by itself.
const FOLLOW_MAX: Duration = Duration::from_mins(2);

/// Moves the roll-outs of a cluster on, where that is this node's part, until the router is gone.
pub async fn run(router: Weak<Router>) {
    let Some(mut news) = router.upgrade().map(|router| router.node().catalog().news().subscribe())
    else {
        return;
    };
    let mut pace = Pace { pause: LOOK_MIN, marks: BTreeMap::new(), reread_at: Instant::now() };
    tokio::spawn(keep_up(router.clone()));
    loop {
        let Some(present) = router.upgrade() else { return };
        let has_open = attend(&present, &mut pace).await;
        drop(present);
        let pause = if has_open { pace.pause } else { Duration::MAX };
        if matches!(timeout(pause, news.changed()).await, Ok(Err(_))) {
            return;
        }
    }
}

/// How often to look, and what was seen last.
struct Pace {
    pause: Duration,
    marks: BTreeMap<TypeName, u64>,
    reread_at: Instant,
}

/// Learns of what nobody has told this node: the types that were deployed before it began, so that what a first call
/// needs is compiled by then, and changes whose maker died before it could tell.
async fn keep_up(router: Weak<Router>) {
    let (mut pause, mut is_new_here) = (LOOK_MAX, true);
    while let Some(present) = router.upgrade() {
        match look_around(&present, is_new_here).await {
            Ok(()) => (pause, is_new_here) = (LOOK_AROUND, false),
            Err(error) => {
                tracing::warn!("the types could not be read: {error}");
                pause = (pause * 2).min(LOOK_AROUND);
            }
        }
        drop(present);
        sleep(pause).await;
    }
}

/// Looks at all types; later only at those whose roll-outs this node moves on, and tells the others what is new.
async fn look_around(router: &Router, is_new_here: bool) -> Result<(), Error> {
    let (node, catalog) = (router.node(), router.node().catalog());
    for name in catalog.type_names().await? {
        if is_new_here {
            let _ = catalog.know(name.as_str()).await;
        }
        if router.is_steward_of(&name) {
            let mark = || catalog.mark(name.as_str());
            let before = mark();
            let _ = catalog.look_again(&name).await;
            if mark() != before {
                node.announce(&name).await;
            }
        }
    }
    Ok(())
}

/// Looks at every type that is being rolled out; whether there is any.
async fn attend(router: &Router, pace: &mut Pace) -> bool {
    let catalog = router.node().catalog();
    let is_reread = pace.reread_at.elapsed() >= REREAD;
    let mut has_moved = false;
    let open = catalog.rolling_out();
    pace.marks.retain(|name, _| open.iter().any(|record| record.name == *name));
    for record in &open {
        let (name, Some(rollout)) = (&record.name, &record.rollout) else { continue };
        has_moved |= pace.marks.insert(name.clone(), record.mark) != Some(record.mark);
        if is_reread {
            pace.reread_at = Instant::now();
            let _ = catalog.look_again(name).await;
        }
        if router.is_steward_of(name) {
            has_moved |= step(router, record, rollout).await;
        }
    }
    pace.pause = if has_moved { LOOK_MIN } else { (pace.pause * 2).min(LOOK_MAX) };
    !open.is_empty()
}

/// Takes the next step of one roll-out, if it is time; whether it was taken.
async fn step(router: &Router, record: &TypeRecord, rollout: &Rollout) -> bool {
    let reports = router.progress(&record.name, false, Context::default()).await;
    let step = decide(record, rollout, &reports, wall_ms());
    if step == Step::Wait {
        return false;
    }
    let name = &record.name;
    let changed = router.node().amend_type(name, |present| {
        // Somebody else was faster.
        if present.rollout.as_ref() != Some(rollout) {
            return Ok(None);
        }
        step.apply(present, wall_ms());
        Ok(Some(()))
    });
    match changed.await {
        Ok(Some(())) => {
            tell(record, rollout, &step);
            true
        }
        Ok(None) => true,
        Err(error) => {
            tracing::warn!(type_name = %name, "the roll-out was not moved on: {error}");
            false
        }
    }
}

fn tell(record: &TypeRecord, rollout: &Rollout, step: &Step) {
    let (type_name, revision) = (&record.name, rollout.revision);
    match step {
        Step::TakeBack(why) => {
            tracing::warn!(%type_name, revision, "the revision is taken back: {why}");
        }
        step => tracing::info!(%type_name, revision, ?step, "the roll-out goes on"),
    }
}

/// Deploys a component, and follows until every node serves it.
///
/// # Errors
/// As [`Node::deploy`](crate::node::Node::deploy); [`Code::RevisionTakenBack`] where it failed too many objects, or a
/// node could not run it; [`Code::OutcomeUnknown`] where it takes long, and goes on by itself.
///
/// # Cancel safety
/// What was begun goes on by itself.
pub async fn deploy(
    router: &Router,
    wasm: bytes::Bytes,
    terms: &Terms,
    is_followed: bool,
) -> Result<Deployed, Error> {
    let deployed = router.node().deploy(wasm, terms).await?;
    if is_followed {
        follow(router, &deployed.type_name, deployed.revision).await?;
    }
    Ok(deployed)
}

/// Makes an older revision current, and follows until every node serves it. Returns its number.
///
/// # Errors
/// [`Code::UnknownType`], [`Code::RevisionNotFound`], [`Code::DeploymentConflict`], and those of [`deploy`].
///
/// # Cancel safety
/// What was begun goes on by itself.
pub async fn roll_back(
    router: &Router,
    type_name: &TypeName,
    to: Option<u32>,
    by: &Caller,
    is_followed: bool,
) -> Result<u32, Error> {
    let node = router.node();
    node.catalog().look_again(type_name).await?;
    let changed =
        node.amend_type(type_name, |record| record.roll_back(to, by, wall_ms()).map(Some)).await?;
    let revision = changed.unwrap_or_default();
    if is_followed {
        // What this node knows of the type may be from before, where no roll-out is to be seen either.
        node.catalog().look_again(type_name).await.map_err(|error| {
            let text = format!("{type_name} goes back to revision {revision} by itself: {error}");
            let hint = format!("look at it with: highlander types {type_name}");
            Error::new(Code::OutcomeUnknown, text).with_hint(hint)
        })?;
        follow(router, type_name, revision).await?;
        heard(router, type_name, revision).await?;
    }
    Ok(revision)
}

/// Waits until every node has told its objects what is current: what is taken back goes at once, without a roll-out.
async fn heard(router: &Router, type_name: &TypeName, revision: u32) -> Result<(), Error> {
    let mut news = router.node().catalog().news().subscribe();
    let ends = Instant::now() + FOLLOW_MAX;
    loop {
        let mark = router.node().catalog().mark(type_name.as_str());
        let reports = router.progress(type_name, false, Context::default()).await;
        let has_heard = |report: &Report| {
            report.progress.as_ref().is_some_and(|p| Some(p.mark) == mark && p.is_turned)
        };
        if reports.iter().all(has_heard) {
            return Ok(());
        }
        wait(&mut news, ends, type_name, revision).await?;
    }
}

/// Waits until every node serves a revision.
async fn follow(router: &Router, type_name: &TypeName, revision: u32) -> Result<(), Error> {
    let catalog = router.node().catalog();
    let mut news = catalog.news().subscribe();
    let ends = Instant::now() + FOLLOW_MAX;
    loop {
        // As long as this node has not read the record, it does not know the revision.
        let record = catalog.record(type_name.as_str());
        if let Some(record) = record.filter(|record| record.entry(revision).is_some()) {
            let is_open = record
                .rollout
                .as_ref()
                .is_some_and(|open| open.revision == revision && open.stage != Stage::Watching);
            if !is_open {
                return ended(&record, revision);
            }
        }
        wait(&mut news, ends, type_name, revision).await?;
    }
}

async fn wait(
    news: &mut watch::Receiver<BTreeSet<TypeName>>,
    ends: Instant,
    type_name: &TypeName,
    revision: u32,
) -> Result<(), Error> {
    if Instant::now() >= ends {
        let text = format!(
            "revision {revision} of {type_name} is not everywhere yet, and goes on by itself"
        );
        let hint = format!("look at it with: highlander types {type_name}");
        return Err(Error::new(Code::OutcomeUnknown, text).with_hint(hint));
    }
    let _ = timeout(LOOK_MIN, news.changed()).await;
    Ok(())
}

fn ended(record: &TypeRecord, revision: u32) -> Result<(), Error> {
    let why = record.entry(revision).and_then(|entry| entry.taken_back.as_ref());
    let Some(why) = why.filter(|_| record.current != revision) else { return Ok(()) };
    let text = format!("revision {revision} of {} was taken back: {why}", record.name);
    let hint = format!("see which objects it failed: highlander types {}", record.name);
    Err(Error::new(Code::RevisionTakenBack, text).with_hint(hint))
}

/// What all nodes say of a type, in one.
#[must_use]
pub fn total(reports: &[Report]) -> Taken {
    let mut total = Taken::default();
    for taken in reports.iter().filter_map(|report| report.progress.as_ref().map(|p| &p.taken)) {
        total.well += taken.well;
        total.failed += taken.failed;
        total.held_back.extend(taken.held_back.clone());
    }
    total
}
