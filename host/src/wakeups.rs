//! Wake-ups of objects: at the time of their alarms on this node, and from the wake-up index for objects that may
//! not be active anywhere.
//!
//! The first loop follows the node's alarm timers and calls each object whose alarm is due. The second loop scans
//! this node's shards of the wake-up index, slightly ahead of time, and wakes the objects found there. Both loops only
//! call objects, on whatever node they are active. The owner of an object decides whether an alarm is due, and fires it
//! once for its time.
//!
//! One wake-up fires at most one alarm. Its commit sets the object's next time, so an object with more alarms that are
//! due queues again behind other objects. Both loops share the turns of the node's [pump](crate::pump).

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use highlander_core::activation::effects::view::WakeResult;
use highlander_core::activation::effects::wakeup_index::{SHARD_COUNT, minute_of};
use highlander_core::activation::reply::Reply;
use highlander_core::activation::{Call, Consistency, Operation, Precondition};
use highlander_core::call_context::{Origin, Rank};
use highlander_core::caller::Caller;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{Hex, ObjectId};
use highlander_core::registry::members::Members;
use highlander_system::clock::{self, wall_ms};
use tokio::sync::oneshot;

use crate::node::wakeup_index::Entry;
use crate::router::Router;
use crate::router::context::Context;

/// Objects of one shard of the index that wait for their turn at once.
const LOOK_AT_ONCE: usize = 1_024;
/// Deadline of a call that wakes an object.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Delay before retrying an alarm that could not be delivered to its object.
const AGAIN_MS: u64 = 1_000;
/// Interval between scans of the index.
const LOOK_PAUSE: Duration = Duration::from_secs(5);
/// Lead time before the minute of an entry, at which its object is woken.
const AHEAD_MS: u64 = 15_000;
/// Interval after which an object that still has the same entry is woken again.
const REPEAT_MS: u64 = 60_000;
/// Minutes past its own minute for which an entry is kept although no record names it: a delayed write may still
/// commit a record that does.
const KEPT_MINUTES: u64 = 60;

/// Wakes objects until the router is dropped.
pub async fn run(router: Weak<Router>) {
    tokio::join!(follow(router.clone()), look_on(router));
}

/// Calls each object when its alarm is due.
async fn follow(router: Weak<Router>) {
    loop {
        let Some(now_router) = router.upgrade() else { return };
        let timers = Arc::clone(now_router.node().timers());
        let alarms = Arc::clone(now_router.node().alarms());
        drop(now_router);
        let due = timers.take_due(wall_ms());
        if due.is_empty() {
            wait(&timers).await;
        }
        for (id, due_ms) in due {
            alarms.add(id.type_name(), ring(router.clone(), id.clone(), due_ms));
        }
    }
}

/// Wakes an object whose alarm is due, and sets its timer again if it could not be woken.
async fn ring(router: Weak<Router>, id: ObjectId, due_ms: u64) {
    let Some(router) = router.upgrade() else { return };
    let late = Duration::from_millis(wall_ms().saturating_sub(due_ms));
    router.node().metrics().alarm_late_seconds.observe(late.as_secs_f64());
    // Boxed, so that an object that waits for its turn takes little memory.
    if let Err(error) = Box::pin(wake(&router, &id)).await {
        note(&id, &error);
        let now_ms = wall_ms();
        router.node().timers().set(&id, now_ms + AGAIN_MS, now_ms);
    }
}

/// Waits until the next alarm is due or changes.
async fn wait(timers: &crate::activation::alarm_timers::Timers) {
    // The wall clock may be adjusted, so the wait is bounded and the time is read again.
    let pause = match timers.next_ms() {
        Some(at_ms) => Duration::from_millis(at_ms.saturating_sub(wall_ms())).min(LOOK_PAUSE),
        None => LOOK_PAUSE,
    };
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = timers.changed.notified() => {}
    }
}

/// Scans this node's shards of the index periodically.
async fn look_on(router: Weak<Router>) {
    let (mut woken, mut nodes) = (HashMap::new(), Members::default());
    loop {
        tokio::time::sleep(LOOK_PAUSE).await;
        let Some(router) = router.upgrade() else { return };
        let now_ms = wall_ms();
        woken.retain(|_, at_ms: &mut u64| *at_ms + REPEAT_MS > now_ms);
        // Without a session, this node cannot determine its shards, and cannot wake any object.
        let Some(membership) = router.membership() else { continue };
        if nodes != *membership.members() {
            // Objects woken earlier may have been lost with their node.
            nodes = membership.members().clone();
            woken.clear();
        }
        for shard in (0..SHARD_COUNT).filter(|shard| membership.owns_wakeup_shard(*shard)) {
            if let Err(error) = look(&router, shard, now_ms, &mut woken).await {
                tracing::warn!(shard, "the wake-up index could not be processed: {error}");
            }
        }
    }
}

/// Wakes the due objects of a shard. `woken` holds the entries whose objects were woken recently.
async fn look(
    router: &Arc<Router>,
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
            let answer = wake_in_turn(router, &entry.id).await;
            (entry, answer)
        });
        let mut found = found.buffer_unordered(LOOK_AT_ONCE);
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
                    // An error that a retry cannot fix is neither retried nor logged at each scan.
                    if !error.code.is_retryable() {
                        woken.insert(entry.name, now_ms);
                    }
                }
            }
        }
    }
}

/// Whether no record names the entry, and none will.
fn is_needless(entry: &Entry, answer: &WakeResult, now_ms: u64) -> bool {
    let mark = Hex(&entry.wake.nonce.0).to_string();
    !answer.nonces.contains(&mark) && entry.wake.minute + KEPT_MINUTES < minute_of(now_ms)
}

/// Logs a failed wake-up. The object is woken again in any case; errors that a retry cannot fix need an operator.
fn note(id: &ObjectId, error: &Error) {
    // The entries of a removed type stay, so that its objects can be woken if it is deployed again.
    if error.code.is_retryable() || error.code == ErrorCode::UnknownType {
        tracing::debug!(object = %id, "the wake-up failed and will be retried: {error}");
    } else {
        tracing::warn!(object = %id, "the object cannot be woken: {error}");
    }
}

/// Wakes an object when its type has its turn.
async fn wake_in_turn(router: &Arc<Router>, id: &ObjectId) -> Result<WakeResult, Box<Error>> {
    let (sender, answer) = oneshot::channel();
    let (waking, woken) = (Arc::clone(router), id.clone());
    router.node().alarms().add(id.type_name(), async move {
        // The loop that waits for the answer may have ended with the node.
        let _ = sender.send(Box::pin(wake(&waking, &woken)).await);
    });
    answer.await.unwrap_or_else(|_| {
        Err(Box::new(Error::new(
            ErrorCode::Internal,
            format!("{id} was not woken: the wake-up failed"),
        )))
    })
}

/// Wakes an object once, which fires the alarm that has been due for longest, if any.
async fn wake(router: &Router, id: &ObjectId) -> Result<WakeResult, Box<Error>> {
    let call = Call {
        operation: Operation::Wake,
        // The call is the node's own; the machine sets the caller that the alarm handler sees.
        caller: Caller::Anonymous,
        origin: Origin { rank: Rank::Background, ..Origin::default() },
        precondition: Precondition::None,
        key: None,
        consistency: Consistency::Lease,
        deadline: clock::now() + TIMEOUT,
    };
    let done = router.call(id, call, Context::default()).await?;
    match done.reply {
        Reply::Woken(result) => {
            if result.fired.is_some() {
                router.node().metrics().alarms.inc();
            }
            Ok(*result)
        }
        // Must not count as a result that names no entry: the entries would be removed.
        _ => {
            let text = format!("{id} was woken, but its node returned another kind of reply");
            Err(Box::new(Error::new(ErrorCode::Internal, text)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_core::store::record::WriteId;
    use highlander_core::store::record::effects::WakeupEntry;

    #[test]
    fn only_old_entries_that_no_record_names_are_needless() {
        let entry = Entry {
            name: String::new(),
            id: "reminder/a".parse().unwrap(),
            wake: WakeupEntry { minute: 100, nonce: WriteId([7; 16]) },
        };
        let woken =
            |mark: [u8; 16]| WakeResult { fired: None, nonces: vec![Hex(&mark).to_string()] };
        let late = (100 + KEPT_MINUTES + 1) * 60_000;
        assert!(!is_needless(&entry, &woken([7; 16]), late));
        assert!(!is_needless(&entry, &woken([8; 16]), late - 60_000));
        assert!(is_needless(&entry, &woken([8; 16]), late));
        assert!(is_needless(&entry, &WakeResult::default(), late));
    }
}
