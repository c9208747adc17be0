//! Operations whose answers are lost, and callers that do not wait for the answer.

use std::sync::Arc;

use highlander_core::registry::{Claimed, Error, Registry};
use highlander_services::fault_proxy::Mode;

use crate::cluster::{Cluster, claim_path, id, until, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_answer_was_lost_is_ours() {
    let cluster = Cluster::start().await;
    let operator = cluster.operator().await;
    let (session, link) = cluster.join_by_link("a-1", 0).await;
    let session = Arc::new(session);
    for id in (0..5).map(id) {
        // A first claim creates the shard, so that each later one takes a single request.
        assert_eq!(session.claim(&id).await, Ok(Claimed::Granted));
        assert_eq!(session.release(&id).await, Ok(()));
        let count = session.claim_count();
        link.set(Mode::DropResponses);
        let claiming = tokio::spawn({
            let (session, id) = (Arc::clone(&session), id.clone());
            async move { session.claim(&id).await }
        });
        let mut made = None;
        until("the claim took place", async || {
            made = operator.check_stat(&claim_path(&id)).await.unwrap();
            made.is_some()
        })
        .await;
        // Its answer is lost with the connection.
        link.reset();
        link.heal();
        let outcome = within("an outcome", claiming).await.unwrap();
        if !matches!(outcome, Err(Error::Unavailable(_))) {
            assert_eq!(outcome, Ok(Claimed::Granted));
        }
        // Whatever the first answer was, a repeated request finds the claim granted by the first attempt.
        until("the claim is granted", async || session.claim(&id).await == Ok(Claimed::Granted))
            .await;
        assert_eq!(session.claim_count(), count + 1);
        let stat = operator.check_stat(&claim_path(&id)).await.unwrap();
        assert_eq!(stat.map(|stat| stat.czxid), made.map(|stat| stat.czxid), "it was made twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_request_was_lost_is_not_ours_while_another_has_it() {
    let cluster = Cluster::start().await;
    let other = cluster.join("b-1").await;
    let (session, link) = cluster.join_by_link("a-1", 0).await;
    let session = Arc::new(session);
    link.set(Mode::CutTowards);
    let claiming = Arc::clone(&session);
    let claiming = tokio::spawn(async move { claiming.claim(&id(1)).await });
    // Granted to another session while the first request is in flight.
    assert_eq!(other.claim(&id(1)).await, Ok(Claimed::Granted));
    link.reset();
    link.heal();
    let outcome = within("an outcome", claiming).await.unwrap();
    assert_ne!(outcome, Ok(Claimed::Granted));
    until("the other session holds it", async || {
        session.claim(&id(1)).await == Ok(Claimed::Held(other.node().clone()))
    })
    .await;
    until("no claim is counted", async || session.claim_count() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_answer_was_lost_took_place() {
    let cluster = Cluster::start().await;
    let operator = cluster.operator().await;
    let (session, link) = cluster.join_by_link("a-1", 0).await;
    let session = Arc::new(session);
    assert_eq!(session.claim(&id(1)).await, Ok(Claimed::Granted));
    link.set(Mode::DropResponses);
    let releasing = Arc::clone(&session);
    let releasing = tokio::spawn(async move { releasing.release(&id(1)).await });
    // A release reads before it deletes, so the deletion is sent only when answers arrive again.
    link.reset();
    link.heal();
    let _ = within("an outcome", releasing).await.unwrap();
    until("it is given back", async || session.release(&id(1)).await == Ok(())).await;
    assert_eq!(operator.check_stat(&claim_path(&id(1))).await.unwrap(), None);
    assert_eq!(session.claim_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_did_not_wait_for_is_given_back() {
    let cluster = Cluster::start().await;
    let (session, other) = (cluster.join("a-1").await, cluster.join("b-1").await);
    let count = 50;
    let ids: Vec<_> = (0..count).map(id).collect();
    // A claim without a shard is not counted while its shard is made. So the shards are made first.
    for id in &ids {
        assert_eq!(session.claim(id).await, Ok(Claimed::Granted));
        session.release(id).await.unwrap();
    }
    for id in &ids {
        // Dropped at its first await point, when the request has been sent.
        tokio::select! {
            biased;
            _ = session.claim(id) => panic!("granted without a request"),
            () = std::future::ready(()) => {}
        }
    }
    until("all were made", async || session.claim_count() == count).await;
    until("all are released", async || session.claim_count() == 0).await;
    for id in &ids {
        assert_eq!(other.claim(id).await, Ok(Claimed::Granted));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_for_ever_while_the_servers_are_out_of_reach() {
    let cluster = Cluster::start().await;
    let (session, link) = cluster.join_by_link("a-1", 0).await;
    assert_eq!(session.claim(&id(1)).await, Ok(Claimed::Granted));
    link.cut();
    let unavailable =
        |outcome: Error| matches!(outcome, Error::Unavailable(_) | Error::SessionOver);
    let claimed = within("an outcome", session.claim(&id(2))).await;
    assert!(unavailable(claimed.unwrap_err()));
    assert!(unavailable(within("an outcome", session.owner(&id(1))).await.unwrap_err()));
    assert!(unavailable(within("an outcome", session.release(&id(1))).await.unwrap_err()));
    within("it leaves", session.leave()).await;
}
