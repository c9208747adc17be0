//! Servers that stop and return, with or without their data.

use std::time::Duration;

use highlander_core::registry::{Claimed, Registry, SessionEvent};
use highlander_services::zookeeper::Config;
use highlander_testing::registry::patient::claim;

use crate::cluster::{Cluster, id, lease_holds, notices_until, until};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_the_end_of_the_leader() {
    let cluster = Cluster::start_with(Config::with_servers(3), Duration::from_secs(8)).await;
    let session = cluster.join("a-1").await;
    assert_eq!(claim(&session, &id(0)).await, Ok(Claimed::Granted));
    for number in 1..3 {
        let leader = cluster.ensemble.leader().unwrap();
        tokio::task::block_in_place(|| cluster.ensemble.kill(leader));
        until("claims are granted again", async || {
            session.claim(&id(number)).await == Ok(Claimed::Granted)
        })
        .await;
        assert!(lease_holds(&session));
        assert_eq!(session.claim_count(), number + 1);
        tokio::task::block_in_place(|| cluster.ensemble.restart(leader));
    }
    let other = cluster.join("b-1").await;
    for number in 0..3 {
        assert_eq!(claim(&other, &id(number)).await, Ok(Claimed::Held(session.node().clone())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_servers_have_forgotten_is_over_and_the_next_one_begins() {
    let cluster = Cluster::start_with(Config::default(), Duration::from_secs(4)).await;
    let session = cluster.join("a-1").await;
    assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Granted));
    tokio::task::block_in_place(|| {
        cluster.ensemble.kill(0);
        std::fs::remove_dir_all(cluster.ensemble.folder().join("0/data/version-2")).unwrap();
        cluster.ensemble.restart(0);
    });
    notices_until(&session, &SessionEvent::SessionOver).await;
    assert!(!lease_holds(&session));
    assert_eq!(session.claim_count(), 0);
    let next = cluster.join("a-2").await;
    assert_eq!(claim(&next, &id(1)).await, Ok(Claimed::Granted));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nothing_is_granted_and_afterwards_a_new_session_has_it_all() {
    let cluster = Cluster::start_with(Config::with_servers(3), Duration::from_secs(4)).await;
    let session = cluster.join("a-1").await;
    assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Granted));
    tokio::task::block_in_place(|| (0..2).for_each(|index| cluster.ensemble.kill(index)));
    until("the lease is over", async || !lease_holds(&session)).await;
    assert!(session.claim(&id(1)).await.is_err());
    notices_until(&session, &SessionEvent::SessionOver).await;
    tokio::task::block_in_place(|| (0..2).for_each(|index| cluster.ensemble.restart(index)));
    let next = cluster.join("a-2").await;
    until("the claim is granted", async || next.claim(&id(1)).await == Ok(Claimed::Granted)).await;
}
