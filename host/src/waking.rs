//! Wakes objects: those of this node when their alarms are due, and those that may not be active anywhere.
//!
//! Two loops. One follows the node's list of alarms and calls each object when its time has come. The other looks
//! through the part of the store's index that is this node's, a little ahead of time, and wakes what it finds there;
//! what is woken says when it is due. Both only call objects, wherever those are: that an alarm is given once for its
//! time, and whether it is due at all, is decided by the object's owner.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::Semaphore;

use crate::activation::dealings::shown::Woken;
use crate::activation::dealings::waking::{SHARD_COUNT, minute_of};
use crate::activation::{Call, Consistency, Operation, Precondition};
use crate::caller::Caller;
use crate::clock::{BootTime, wall_ms};
use crate::error::{Code, Error};
use crate::id::{Hex, ObjectId};
use crate::node::waking::Entry;
use crate::origin::Origin;
use crate::registry::members::Members;
use crate::router::Router;
use crate::router::context::Context;

/// Objects that are woken at the same time, by each loop.
const AT_ONCE: usize = 64;
/// How long a call that wakes an object may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how long an alarm is tried again that could not be brought to its object.
const AGAIN_MS: u64 = 1_000;
/// How often the index is looked through.
const LOOK_PAUSE: Duration = Duration::from_secs(5);
/// How long before its minute begins an object is woken.
const AHEAD_MS: u64 = 15_000;
/// After how long an object is woken again that still has the same entry.
const REPEAT_MS: u64 = 60_000;
/// How long past its minute an entry is kept that no record names: a write that was held up may still bring one.
const KEPT_MINUTES: u64 = 60;

/// Wakes objects until the router is gone.
pub async fn run(router: Weak<Router>) {
    tokio::join!(follow(router.clone()), look_on(router));
}

/// Calls each object when its alarm is due.
async fn follow(router: Weak<Router>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Some(now_router) = router.upgrade() else { return };
        let timers = Arc::clone(now_router.node().timers());
        let due = timers.take_due(wall_ms(), AT_ONCE);
        if due.is_empty() {
            drop(now_router);
            wait(&timers).await;
            continue;
        }
        for id in due {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let router = Arc::clone(&now_router);
            tokio::spawn(async move {
                if let Err(error) = give_all(&router, &id).await {
                    note(&id, &error);
                    let now_ms = wall_ms();
                    router.node().timers().set(&id, now_ms + AGAIN_MS, now_ms);
                }
                drop(place);
            });
        }
    }
}

/// Waits until the next alarm is due, or another one is the next.
async fn wait(timers: &crate::activation::timers::Timers) {
    // The time of day may be set anew: it is looked at now and then whatever it was.
    let pause = match timers.next_ms() {
        Some(at_ms) => Duration::from_millis(at_ms.saturating_sub(wall_ms())).min(LOOK_PAUSE),
        None => LOOK_PAUSE,
    };
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = timers.changed.notified() => {}
    }
}

/// Wakes an object until none of its alarms is due; what it said last.
async fn give_all(router: &Router, id: &ObjectId) -> Result<Woken, Box<Error>> {
    loop {
        let woken = wake(router, id).await?;
        if woken.given.is_none() {
            return Ok(woken);
        }
        router.node().metrics().alarms.inc();
    }
}

/// Looks through this node's part of the index now and then.
async fn look_on(router: Weak<Router>) {
    let (mut woken, mut nodes) = (HashMap::new(), Members::default());
    loop {
        tokio::time::sleep(LOOK_PAUSE).await;
        let Some(router) = router.upgrade() else { return };
        let now_ms = wall_ms();
        woken.retain(|_, at_ms: &mut u64| *at_ms + REPEAT_MS > now_ms);
        // Without a session it is not known which shards are this node's, and nothing can be woken.
        let Some(membership) = router.membership() else { continue };
        if nodes != *membership.members() {
            // What was woken may have gone down with its node.
            nodes = membership.members().clone();
            woken.clear();
        }
        for shard in (0..SHARD_COUNT).filter(|shard| membership.owns_wakeup_shard(*shard)) {
            if let Err(error) = look(&router, shard, now_ms, &mut woken).await {
                tracing::warn!(shard, "objects that are to be woken were not looked for: {error}");
            }
        }
    }
}

/// Wakes what is to be woken of a shard. `woken` are the entries whose objects were woken not long ago.
async fn look(
    router: &Router,
    shard: u8,
    now_ms: u64,
    woken: &mut HashMap<String, u64>,
) -> Result<(), Error> {
    let until = minute_of(now_ms + AHEAD_MS);
    let mut after: Option<String> = None;
    loop {
        let entries = router.node().wake_entries(shard, until, after.as_deref()).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = Some(last.name.clone());
        let fresh = entries.into_iter().filter(|entry| !woken.contains_key(&entry.name));
        let fresh: Vec<_> = fresh.collect();
        let found = stream::iter(fresh).map(|entry| async move {
            let answer = give_all(router, &entry.id).await;
            (entry, answer)
        });
        let mut found = found.buffer_unordered(AT_ONCE);
        while let Some((entry, answer)) = found.next().await {
            match answer {
                Ok(answer) => {
                    if is_needless(&entry, &answer, now_ms) {
                        router.node().remove_wake_entry(&entry).await?;
                    }
                    woken.insert(entry.name, now_ms);
                }
                Err(error) => {
                    note(&entry.id, &error);
                    // What repetition does not mend is not tried, and told, at each look.
                    if !error.code.is_retryable() {
                        woken.insert(entry.name, now_ms);
                    }
                }
            }
        }
    }
}

/// Whether no record names the entry, and none will.
fn is_needless(entry: &Entry, answer: &Woken, now_ms: u64) -> bool {
    let mark = Hex(&entry.wake.mark.0).to_string();
    !answer.marks.contains(&mark) && entry.wake.minute + KEPT_MINUTES < minute_of(now_ms)
}

/// Objects are woken again whatever came of it; what repetition does not mend is for the operator.
fn note(id: &ObjectId, error: &Error) {
    // The entries of a type that was removed stay, for its objects to be woken if it comes again.
    if error.code.is_retryable() || error.code == Code::UnknownType {
        tracing::debug!(object = %id, "it was not woken, and is again later: {error}");
    } else {
        tracing::warn!(object = %id, "it cannot be woken: {error}");
    }
}

async fn wake(router: &Router, id: &ObjectId) -> Result<Woken, Box<Error>> {
    let call = Call {
        operation: Operation::Wake,
        // In the node's own name: whom the handler of an alarm sees as its caller, the machine says.
        caller: Caller::Anonymous,
        origin: Origin::default(),
        precondition: Precondition::None,
        key: None,
        consistency: Consistency::Lease,
        deadline: BootTime::now() + PATIENCE,
    };
    let done = router.call(id, call, Context::default()).await?;
    // A node of an older release may answer something else; it knows no alarms.
    Ok(serde_json::from_slice(&done.reply).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::WriteId;
    use crate::store::record::dealings::Wake;

    #[test]
    fn only_old_entries_that_no_record_names_are_needless() {
        let entry = Entry {
            name: String::new(),
            id: "reminder/a".parse().unwrap(),
            wake: Wake { minute: 100, mark: WriteId([7; 16]) },
        };
        let woken = |mark: [u8; 16]| Woken { given: None, marks: vec![Hex(&mark).to_string()] };
        let late = (100 + KEPT_MINUTES + 1) * 60_000;
        assert!(!is_needless(&entry, &woken([7; 16]), late));
        assert!(!is_needless(&entry, &woken([8; 16]), late - 60_000));
        assert!(is_needless(&entry, &woken([8; 16]), late));
        assert!(is_needless(&entry, &Woken::default(), late));
    }
}
