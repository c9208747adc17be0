//! Short network interruptions: state that survives them, and changes that must be noticed after them.

use std::time::Duration;

use highlander_core::id::TypeName;
use highlander_core::registry::members::NodeStatus;
use highlander_core::registry::{Claimed, Error, Registry, SessionEvent};
use highlander_services::zookeeper::Config;
use highlander_testing::registry::patient::{claim, owner, release};

use crate::cluster::{Cluster, claim_path, id, lease_holds, notices_until, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_in_time_keeps_claims_and_shows_what_was_missed() {
    let cluster = Cluster::start_with(Config::default(), Duration::from_secs(6)).await;
    let other = cluster.join("b-1").await;
    let (session, link) = cluster.join_by_link("a-1", 0).await;
    assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Granted));
    // Repeated, because the client library loses its watches at each reconnect.
    for round in 0..3 {
        link.cut();
        link.reset();
        let guest = cluster.join(&format!("guest-{round}")).await;
        assert_eq!(other.set_status(NodeStatus::Draining).await, Ok(()));
        link.heal();
        notices_until(&session, &SessionEvent::TypesUncertain).await;
        until("the members are current", async || {
            let members = session.members();
            members.find(guest.node()).is_some()
                && members.find(other.node()).is_some_and(|it| it.status == NodeStatus::Draining)
        })
        .await;
        // The watches are set again.
        let type_name = TypeName::new(&format!("t{round}")).unwrap();
        assert_eq!(other.publish_type_change(&type_name).await, Ok(()));
        notices_until(&session, &SessionEvent::TypeChanged(type_name)).await;
        assert_eq!(other.set_status(NodeStatus::Ready).await, Ok(()));
        guest.leave().await;
        until("changes are visible", async || {
            let members = session.members();
            members.find(guest.node()).is_none()
                && members.find(other.node()).is_some_and(|it| it.status == NodeStatus::Ready)
        })
        .await;
        assert!(lease_holds(&session));
        assert_eq!(session.held(), [session.granularity().key_of(&id(1))]);
        assert_eq!(owner(&other, &id(1)).await, Ok(Some(session.node().clone())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_an_operator_removes_is_lost_and_the_session_goes_on() {
    let cluster = Cluster::start().await;
    let operator = cluster.operator().await;
    let session = cluster.join("a-1").await;
    for number in 0..3 {
        assert_eq!(claim(&session, &id(number)).await, Ok(Claimed::Granted));
    }
    operator.delete(&claim_path(&id(1)), None).await.unwrap();
    let lost = SessionEvent::ClaimsLost(vec![session.granularity().key_of(&id(1))]);
    assert_eq!(notices_until(&session, &lost).await, [lost]);
    assert!(lease_holds(&session));
    assert_eq!(session.claim_count(), 2);
    // Another session holds it by now. Its claim must not be touched.
    let other = cluster.join("b-1").await;
    assert_eq!(claim(&other, &id(1)).await, Ok(Claimed::Granted));
    assert_eq!(release(&session, &id(1)).await, Ok(()));
    operator.delete(&claim_path(&id(2)), None).await.unwrap();
    assert_eq!(claim(&other, &id(2)).await, Ok(Claimed::Granted));
    assert_eq!(release(&session, &id(2)).await, Ok(()), "before it detects it");
    for number in 1..3 {
        assert_eq!(owner(&session, &id(number)).await, Ok(Some(other.node().clone())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_own_znodes_are_removed_is_over() {
    let cluster = Cluster::start().await;
    let operator = cluster.operator().await;
    for folder in ["/n", "/h"] {
        let session = cluster.join("a-1").await;
        let other = cluster.join("b-1").await;
        assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Granted));
        operator.delete(&format!("{folder}/a-1"), None).await.unwrap();
        notices_until(&session, &SessionEvent::SessionOver).await;
        assert!(!lease_holds(&session));
        assert_eq!(session.claim(&id(1)).await, Err(Error::SessionOver));
        until("its claims are free", async || other.claim(&id(1)).await == Ok(Claimed::Granted))
            .await;
        other.leave().await;
    }
}
