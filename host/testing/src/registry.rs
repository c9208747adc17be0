//! Conformance checks for registry adapters, called by the adapters' tests.
//!
//! The checks panic if the registry violates the port. They use unique names, so they can run on a registry that
//! others use at the same time. They wait for effects that a registry may delay.

#![allow(clippy::panic, reason = "a failed check ends the test that called it")]

pub mod patient;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use highlander_core::id::{Hex, NodeId, ObjectId};
use highlander_core::registry::members::Members;
use highlander_core::registry::{Claimed, Error, Registry};
use highlander_system::clock;
use rand::RngExt as _;

use patient::{claim, hand_over, owner, release};

/// Maximum time that a registry may take to free the claims of an ended session.
const ENDING_TIME_MAX: Duration = Duration::from_secs(30);
/// Interval between two polls.
const PAUSE: Duration = Duration::from_millis(10);

/// A registry in which sessions can be opened and ended.
#[async_trait]
pub trait Cluster: Sync {
    /// One node's session.
    type Session: Registry;

    /// Opens a session for `node`.
    async fn join(&self, node: NodeId) -> Self::Session;

    /// Ends `session` as a crash of its node would. Its claims may become free later.
    async fn end(&self, session: &Self::Session);
}

/// Checks every guarantee of the port.
///
/// # Panics
/// The registry violates a guarantee.
pub async fn check<C: Cluster>(cluster: &C) {
    let a = Arc::new(cluster.join(NodeId::new("a-1")).await);
    let b = Arc::new(cluster.join(NodeId::new("b-1")).await);
    claims_are_exclusive_and_idempotent(&*a, &*b).await;
    only_the_holder_can_release(&*a, &*b).await;
    one_of_many_racing_claims_is_granted(cluster).await;
    claims_and_releases_do_not_mix(&a, &b).await;
    what_is_in_use_is_not_handed_over(&*a, &*b).await;
    sessions::check(cluster, &*a, &*b).await;
    an_ended_session_trusts_nothing_and_holds_nothing(cluster, &*b).await;
}

/// Checks the additional guarantees of a registry whose claims cover partitions.
///
/// # Panics
/// The registry violates a guarantee.
pub async fn check_partitions<C: Cluster>(cluster: &C) {
    let a = &cluster.join(NodeId::new("partitions-a-1")).await;
    let b = &cluster.join(NodeId::new("partitions-b-1")).await;
    let (first, second) = two_of_one_claim(a);
    let key = a.granularity().key_of(&first);
    assert_eq!(claim(a, &first).await, Ok(Claimed::Granted));
    assert_eq!(claim(a, &second).await, Ok(Claimed::Granted));
    assert_eq!((a.claim_count(), a.held()), (1, vec![key]));
    assert_eq!(claim(b, &second).await, Ok(Claimed::Held(a.node().clone())));
    assert_eq!(owner(b, &second).await, Ok(Some(a.node().clone())));
    assert_eq!(hand_over(a, key).await, Ok(false), "two objects are covered by the claim");
    assert_eq!(release(a, &first).await, Ok(()));
    assert_eq!(release(a, &first).await, Ok(()), "a release is idempotent");
    assert_eq!(hand_over(a, key).await, Ok(false), "one object is covered by the claim");
    assert_eq!(release(a, &second).await, Ok(()));
    assert_eq!(a.held(), [key], "the session keeps it");
    assert_eq!(claim(b, &first).await, Ok(Claimed::Held(a.node().clone())));
    assert_eq!(hand_over(b, key).await, Ok(true), "there is nothing to hand over");
    assert_eq!(owner(a, &first).await, Ok(Some(a.node().clone())));
    assert_eq!(hand_over(a, key).await, Ok(true));
    assert_eq!(hand_over(a, key).await, Ok(true), "it is idempotent");
    assert_eq!((a.claim_count(), a.held()), (0, vec![]));
    assert_eq!(claim(b, &first).await, Ok(Claimed::Granted), "it is free immediately");
    assert_eq!(claim(a, &first).await, Ok(Claimed::Held(b.node().clone())));
    b.leave().await;
    assert_eq!(
        claim(a, &first).await,
        Ok(Claimed::Granted),
        "a session that leaves leaves no claims behind"
    );
}

/// Returns two objects that one claim covers.
fn two_of_one_claim(session: &impl Registry) -> (ObjectId, ObjectId) {
    let first = new_object();
    let key_of = |id: &ObjectId| session.granularity().key_of(id);
    let second = std::iter::repeat_with(new_object).find(|id| key_of(id) == key_of(&first));
    (first, second.expect("the sequence of objects never ends"))
}

/// Returns an object that no other check uses.
fn new_object() -> ObjectId {
    let random: [u8; 12] = rand::rng().random();
    ObjectId::new("conformance", &format!("{} /ä%", Hex(&random))).expect("a valid name")
}

async fn claims_are_exclusive_and_idempotent(a: &impl Registry, b: &impl Registry) {
    let (id, other) = (new_object(), new_object());
    let count = a.claim_count();
    assert_eq!(owner(a, &id).await, Ok(None));
    assert_eq!(claim(a, &id).await, Ok(Claimed::Granted));
    assert_eq!(claim(a, &id).await, Ok(Claimed::Granted), "a claim is idempotent");
    assert_eq!(a.claim_count(), count + 1);
    assert_eq!(claim(b, &id).await, Ok(Claimed::Held(a.node().clone())));
    assert_eq!(
        claim(b, &other).await,
        Ok(Claimed::Granted),
        "claims of two objects are independent"
    );
    for session in [owner(a, &id).await, owner(b, &id).await] {
        assert_eq!(session, Ok(Some(a.node().clone())));
    }
    assert!(a.lease_until() > clock::now());
    release(a, &id).await.expect("the claim is released");
    release(b, &other).await.expect("the claim is released");
    assert_eq!(a.claim_count(), count);
}

async fn only_the_holder_can_release(a: &impl Registry, b: &impl Registry) {
    let id = new_object();
    assert_eq!(claim(a, &id).await, Ok(Claimed::Granted));
    assert_eq!(release(b, &id).await, Ok(()), "releasing a claim that is not held is not an error");
    assert_eq!(owner(b, &id).await, Ok(Some(a.node().clone())), "and has no effect");
    assert_eq!(release(a, &id).await, Ok(()));
    assert_eq!(owner(b, &id).await, Ok(None));
    assert_eq!(claim(b, &id).await, Ok(Claimed::Granted), "a released claim is free immediately");
    assert_eq!(release(a, &id).await, Ok(()), "a release is idempotent");
    assert_eq!(
        owner(a, &id).await,
        Ok(Some(b.node().clone())),
        "and leaves the next holder's claim alone"
    );
    assert_eq!(release(b, &id).await, Ok(()));
}

async fn what_is_in_use_is_not_handed_over(a: &impl Registry, b: &impl Registry) {
    let id = new_object();
    let key = a.granularity().key_of(&id);
    assert_eq!(hand_over(a, key).await, Ok(true), "there is nothing to hand over");
    assert_eq!(claim(a, &id).await, Ok(Claimed::Granted));
    assert!(a.held().contains(&key) && !b.held().contains(&key));
    assert_eq!(hand_over(a, key).await, Ok(false));
    assert_eq!(hand_over(b, key).await, Ok(true), "another session's claim is left alone");
    assert_eq!(owner(b, &id).await, Ok(Some(a.node().clone())));
    assert_eq!(release(a, &id).await, Ok(()));
    assert!(!a.held().contains(&key));
    assert_eq!(hand_over(a, key).await, Ok(true));
}

async fn one_of_many_racing_claims_is_granted<C: Cluster>(cluster: &C) {
    let nodes = (0..8).map(|number| NodeId::new(&format!("racer-{number}")));
    let sessions = join_all(nodes.map(|node| cluster.join(node))).await;
    let sessions: Vec<_> = sessions.into_iter().map(Arc::new).collect();
    for _ in 0..25 {
        let id = new_object();
        // Separate tasks, so that the claims can race.
        let racers = sessions.iter().map(|session| {
            let (session, id) = (Arc::clone(session), id.clone());
            tokio::spawn(async move { claim(&*session, &id).await })
        });
        let outcomes = join_all(racers.collect::<Vec<_>>()).await;
        let outcomes: Vec<_> =
            outcomes.into_iter().map(|task| task.expect("the task does not panic")).collect();
        let is_granted = |outcome: &Result<_, _>| matches!(outcome, Ok(Claimed::Granted));
        let winners = outcomes.iter().filter(|outcome| is_granted(outcome)).count();
        assert_eq!(winners, 1, "{outcomes:?}");
        let winner = outcomes.iter().position(is_granted).and_then(|index| sessions.get(index));
        let winner = winner.expect("one was granted");
        for outcome in outcomes.iter().filter(|outcome| !is_granted(outcome)) {
            assert_eq!(outcome, &Ok(Claimed::Held(winner.node().clone())));
        }
        release(&**winner, &id).await.expect("the claim is released");
    }
    join_all(sessions.iter().map(|session| cluster.end(session))).await;
}

async fn claims_and_releases_do_not_mix<R: Registry>(a: &Arc<R>, b: &Arc<R>) {
    let id = new_object();
    let holder_count = Arc::new(AtomicUsize::new(0));
    let contend = |session: &Arc<R>| {
        let (session, id) = (Arc::clone(session), id.clone());
        let holder_count = Arc::clone(&holder_count);
        tokio::spawn(async move {
            for _ in 0..100 {
                if claim(&*session, &id).await == Ok(Claimed::Granted) {
                    let before = holder_count.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(before, 0, "two sessions hold one claim");
                    tokio::task::yield_now().await;
                    holder_count.fetch_sub(1, Ordering::SeqCst);
                    release(&*session, &id).await.expect("the claim is released");
                }
            }
        })
    };
    for task in [contend(a), contend(b)] {
        task.await.expect("the task does not panic");
    }
}

async fn an_ended_session_trusts_nothing_and_holds_nothing<C: Cluster>(
    cluster: &C,
    other: &C::Session,
) {
    let ended = cluster.join(NodeId::new("ended-1")).await;
    let ids: Vec<_> = (0..50).map(|_| new_object()).collect();
    for id in &ids {
        assert_eq!(claim(&ended, id).await, Ok(Claimed::Granted));
    }
    assert_eq!(ended.claim_count(), ids.len());
    cluster.end(&ended).await;
    let since = clock::now();
    for id in &ids {
        while other.claim(id).await != Ok(Claimed::Granted) {
            assert!(
                clock::now().since(since) < ENDING_TIME_MAX,
                "{id} did not become free in time"
            );
            tokio::time::sleep(PAUSE).await;
        }
        assert!(ended.lease_until() <= clock::now(), "{id} is free although the lease continues");
    }
    // A node may learn late that its session has ended, but it must never get a new claim.
    loop {
        match ended.claim(&new_object()).await {
            Err(Error::SessionOver) => break,
            Err(Error::Unavailable(_)) => tokio::time::sleep(PAUSE).await,
            outcome => panic!("a session that is over received {outcome:?}"),
        }
        assert!(clock::now().since(since) < ENDING_TIME_MAX, "the session did not end in time");
    }
    assert_eq!((ended.claim_count(), ended.held()), (0, vec![]));
    sessions::check_last_notice(&ended).await;
    // Late requests of the ended session do not affect the claims of the next holder.
    for id in &ids {
        let _ = ended.release(id).await;
        assert_eq!(owner(other, id).await, Ok(Some(other.node().clone())));
        release(other, id).await.expect("the claim is released");
    }
}

/// Returns once the live nodes, as the session sees them, satisfy `is_so`.
pub async fn members_until(session: &dyn Registry, is_so: impl Fn(&Members) -> bool) {
    loop {
        let members = session.members();
        if is_so(&members) {
            return;
        }
        session.members_changed(&members).await;
    }
}
