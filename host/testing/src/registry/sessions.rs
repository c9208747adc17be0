//! Conformance checks for membership, notifications, and the end of sessions.
//!
//! Every effect checked here may be delayed, but must happen eventually.

use std::time::Duration;

use highlander_core::id::{NodeId, TypeName};
use highlander_core::registry::members::{Members, NodeStatus, PROTOCOL};
use highlander_core::registry::{Claimed, Error, Registry, SessionEvent};
use highlander_system::clock;
use tokio::time::timeout;

use super::patient::{claim, patiently, release};
use super::{Cluster, ENDING_TIME_MAX, members_until, new_object};

/// Time during which no event may follow the last one.
const SILENCE: Duration = Duration::from_millis(50);

pub(super) async fn check<C: Cluster>(cluster: &C, a: &C::Session, b: &C::Session) {
    nodes_see_each_other(cluster, a, b).await;
    statuses_are_seen(a, b).await;
    other_nodes_are_told_of_a_type(a, b).await;
    who_leaves_leaves_nothing_behind(cluster, a).await;
}

async fn nodes_see_each_other<C: Cluster>(cluster: &C, a: &C::Session, b: &C::Session) {
    for session in [a, b] {
        let node = session.node();
        assert!(session.members().find(node).is_some(), "a node is a member from the start");
        until(session, "both are members", |members| {
            [a, b].iter().all(|other| members.find(other.node()).is_some())
        })
        .await;
    }
    let guest = cluster.join(NodeId::new("guest-1")).await;
    let confirmed = patiently(|| a.confirm_members()).await.expect("the registry responds");
    assert!(
        confirmed.find(guest.node()).is_some(),
        "a node that has joined is confirmed immediately"
    );
    assert!(guest.members().find(a.node()).is_some(), "it sees earlier members immediately");
    until(a, "the guest is a member", |members| members.find(guest.node()).is_some()).await;
    let seen = a.members().find(guest.node()).cloned().expect("it was a member");
    assert_eq!((seen.protocol, seen.status), (PROTOCOL, NodeStatus::Ready));
    cluster.end(&guest).await;
    until(a, "the guest is no longer a member", |members| members.find(guest.node()).is_none())
        .await;
    let confirmed = patiently(|| a.confirm_members()).await.expect("the registry responds");
    assert!(confirmed.find(guest.node()).is_none(), "and a node that has left is not a member");
}

async fn statuses_are_seen(a: &impl Registry, b: &impl Registry) {
    for status in [NodeStatus::Draining, NodeStatus::Unhealthy, NodeStatus::Ready] {
        assert_eq!(patiently(|| b.set_status(status)).await, Ok(()));
        for session in [a, b as &dyn Registry] {
            until(session, "the status is visible", |members| {
                members.find(b.node()).is_some_and(|member| member.status == status)
            })
            .await;
        }
    }
}

async fn other_nodes_are_told_of_a_type(a: &impl Registry, b: &impl Registry) {
    let type_name = TypeName::new("conformance").expect("a valid name");
    // The second time, the notified znode already exists.
    for _ in 0..2 {
        assert_eq!(patiently(|| a.publish_type_change(&type_name)).await, Ok(()));
        loop {
            match next_notice(b).await {
                SessionEvent::TypeChanged(changed) if changed == type_name => break,
                // The session reconnected; notifications from before were lost.
                SessionEvent::TypesUncertain => {
                    assert_eq!(patiently(|| a.publish_type_change(&type_name)).await, Ok(()));
                }
                _ => {}
            }
        }
    }
}

async fn who_leaves_leaves_nothing_behind<C: Cluster>(cluster: &C, other: &C::Session) {
    let leaving = cluster.join(NodeId::new("leaving-1")).await;
    let id = new_object();
    assert_eq!(claim(&leaving, &id).await, Ok(Claimed::Granted));
    leaving.leave().await;
    assert_eq!(claim(other, &id).await, Ok(Claimed::Granted), "its claims are free immediately");
    assert!(leaving.lease_until() <= clock::now());
    assert_eq!(leaving.claim(&id).await, Err(Error::SessionOver));
    assert_eq!(leaving.confirm_members().await, Err(Error::SessionOver));
    assert_eq!((leaving.claim_count(), leaving.held()), (0, vec![]));
    check_last_notice(&leaving).await;
    leaving.leave().await;
    assert_eq!(release(other, &id).await, Ok(()));
    until(other, "it is not a member", |members| members.find(leaving.node()).is_none()).await;
}

/// Checks that the end of a session is reported and that no event follows it.
pub(super) async fn check_last_notice(session: &impl Registry) {
    while next_notice(session).await != SessionEvent::SessionOver {}
    let next = timeout(SILENCE, session.next_event()).await;
    assert!(next.is_err(), "{next:?} after the last notice");
}

async fn next_notice(session: &dyn Registry) -> SessionEvent {
    timeout(ENDING_TIME_MAX, session.next_event()).await.expect("a notice arrives")
}

async fn until(session: &dyn Registry, what: &str, is_so: impl Fn(&Members) -> bool) {
    let seen = timeout(ENDING_TIME_MAX, members_until(session, is_so)).await;
    if seen.is_err() {
        panic!("{what}: not in time, at {}: {:?}", session.node(), session.members());
    }
}
