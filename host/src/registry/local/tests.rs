//! Conformance of the local registry, and its behavior when sessions end under load.

use super::*;

struct InProcess(Directory);

#[async_trait]
impl highlander_testing::registry::Cluster for InProcess {
    type Session = Session;

    async fn join(&self, node: NodeId) -> Session {
        self.0.join(node)
    }

    async fn end(&self, session: &Session) {
        session.end();
    }
}

fn id(number: usize) -> ObjectId {
    ObjectId::new("todo", &number.to_string()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_registry() {
    highlander_testing::registry::check(&InProcess(Directory::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_claim_slips_in_while_the_session_ends() {
    for _ in 0..50 {
        let directory = Directory::new();
        let session = Arc::new(directory.join(NodeId::new("a")));
        let claiming = Arc::clone(&session);
        let claimer = tokio::spawn(async move {
            let mut number = 0;
            while claiming.claim(&id(number)).await.is_ok() {
                number += 1;
            }
            number
        });
        tokio::task::yield_now().await;
        session.end();
        let claimed = claimer.await.unwrap();
        let other = directory.join(NodeId::new("b"));
        for number in 0..=claimed {
            assert_eq!(other.owner(&id(number)).await, Ok(None));
        }
    }
}

#[tokio::test]
async fn a_dropped_session_holds_nothing() {
    let directory = Directory::new();
    let session = directory.join(NodeId::new("a"));
    session.claim(&id(1)).await.unwrap();
    drop(session);
    assert_eq!(directory.join(NodeId::new("b")).owner(&id(1)).await, Ok(None));
}

#[tokio::test]
async fn memory_is_given_back_with_the_claims() {
    let directory = Directory::new();
    let session = directory.join(NodeId::new("a"));
    for number in 0..200_000 {
        session.claim(&id(number)).await.unwrap();
    }
    for number in 0..200_000 {
        session.release(&id(number)).await.unwrap();
    }
    let places: usize = directory.shards.iter().map(|shard| shard.lock().capacity()).sum();
    assert_eq!(session.claim_count(), 0);
    assert!(places <= 2 * SHARD_COUNT * SPARE_MAX, "{places} places for no claim");
}
