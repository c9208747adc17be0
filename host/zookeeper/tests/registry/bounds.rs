//! Limit of claims per session, and the end of a session that has reached it.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use highlander_core::registry::{Claimed, Error, Registry};
use highlander_services::zookeeper::Config;
use highlander_testing::registry::patient::{claim, release};
use highlander_zookeeper::Session;

use crate::cluster::{Cluster, id, lease_holds, until};

async fn claim_all(session: &Session, count: usize) {
    let claims = stream::iter(0..count).map(async |number| claim(session, &id(number)).await);
    let outcomes: Vec<_> = claims.buffer_unordered(256).collect().await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Claimed::Granted)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_at_its_cap_claims_nothing_more() {
    let mut cluster = Cluster::start().await;
    cluster.options.claims_max = 3;
    let (session, other) = (cluster.join("a-1").await, cluster.join("b-1").await);
    assert_eq!(claim(&other, &id(9)).await, Ok(Claimed::Granted));
    claim_all(&session, 2).await;
    assert_eq!(claim(&session, &id(9)).await, Ok(Claimed::Held(other.node().clone())));
    claim_all(&session, 3).await;
    for _ in 0..2 {
        assert_eq!(claim(&session, &id(3)).await, Err(Error::Full(3)));
    }
    assert_eq!(
        claim(&session, &id(2)).await,
        Ok(Claimed::Granted),
        "it may claim what it already holds"
    );
    assert_eq!(release(&session, &id(2)).await, Ok(()));
    assert_eq!(claim(&session, &id(3)).await, Ok(Claimed::Granted));
    assert_eq!((session.claim_count(), session.held().len()), (3, 3));
}

/// With too many claims, the ensemble would stop here permanently.
#[tokio::test(flavor = "multi_thread")]
async fn servers_survive_the_end_of_a_session_at_its_cap_and_a_restart_after_it() {
    let config = Config { heap_mb: 512, java_arguments: default_buffer(), ..Config::default() };
    let cluster = Cluster::start_with(config, Duration::from_secs(6)).await;
    let count = cluster.options.claims_max;
    let (session, link) = cluster.join_by_link("a-1", 0).await;
    claim_all(&session, count).await;
    assert_eq!(session.claim_count(), count);
    assert_eq!(claim(&session, &id(count)).await, Err(Error::Full(count)));
    assert!(lease_holds(&session));
    link.cut();
    until("the session is ended", async || {
        cluster.ensemble.figure(0, "zk_ephemerals_count") == Some(0)
    })
    .await;
    tokio::task::block_in_place(|| {
        cluster.ensemble.kill(0);
        cluster.ensemble.restart(0);
    });
    let other = cluster.join("b-1").await;
    claim_all(&other, 100).await;
    let started = other.claim_count();
    other.leave().await;
    assert_eq!(started, 100);
}

/// The servers' default buffer size, with which the limit must be safe.
fn default_buffer() -> Vec<String> {
    vec!["-Djute.maxbuffer=1048575".to_owned()]
}
