//! The in-memory store conforms to the store port, and its faults act as their names say.

use tokio::time::Instant;

use super::*;

const NAME: &str = "objects/todo/42.json";

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn put(store: &Memory, text: &'static str, condition: Condition) -> PutOutcome {
    store.put(NAME, bytes(text), condition).await
}

fn content(store: &Memory) -> Option<Bytes> {
    store.peek(NAME).map(|blob| blob.bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_store() {
    crate::store::check(std::sync::Arc::new(Memory::new())).await;
}

#[tokio::test]
async fn a_lost_request_changes_nothing_and_a_lost_answer_does() {
    let store = Memory::new();
    store.script_puts([PutFault::LostRequest, PutFault::LostAnswer]);
    assert!(matches!(put(&store, "a", Condition::Absent).await, PutOutcome::Unknown(_)));
    assert_eq!(content(&store), None);
    assert!(matches!(put(&store, "a", Condition::Absent).await, PutOutcome::Unknown(_)));
    assert_eq!(content(&store), Some(bytes("a")));
    assert_eq!(put(&store, "a", Condition::Absent).await, PutOutcome::PreconditionFailed);
    assert_eq!(store.put_count(), 3);
}

#[tokio::test]
async fn a_held_write_is_decided_when_it_is_released() {
    let store = Memory::new();
    let etag = store.plant(NAME, bytes("a"));
    store.script_puts([PutFault::Held, PutFault::Held]);
    for text in ["b", "c"] {
        let outcome = put(&store, text, Condition::Matches(etag.clone())).await;
        assert!(matches!(outcome, PutOutcome::Unknown(_)));
    }
    assert_eq!((content(&store), store.held_count()), (Some(bytes("a")), 2));
    let outcomes = store.release_held();
    assert!(
        matches!(outcomes[..], [PutOutcome::Applied(_), PutOutcome::PreconditionFailed]),
        "{outcomes:?}"
    );
    assert_eq!(content(&store), Some(bytes("b")));
}

#[tokio::test]
async fn reads_fail_as_scripted_and_in_order() {
    let store = Memory::new();
    store.plant(NAME, bytes("old"));
    let etag = store.plant(NAME, bytes("new"));
    store.script_gets([
        GetFault::Nothing,
        GetFault::FlippedBit(4),
        GetFault::Truncated(2),
        GetFault::Stale,
        GetFault::Unavailable,
        GetFault::Denied,
    ]);
    for expected in ["new", "ndw", "ne", "old"] {
        let blob = store.get(NAME).await.unwrap().unwrap();
        assert_eq!(blob.bytes, bytes(expected));
        assert_eq!(blob.etag == etag, expected != "old");
    }
    assert!(matches!(store.get(NAME).await, Err(Error::Unavailable(_))));
    assert!(matches!(store.get(NAME).await, Err(Error::Denied(_))));
    assert_eq!(store.get(NAME).await.unwrap().unwrap().bytes, bytes("new"));
    assert_eq!(store.get_count(), 7);
}

#[tokio::test(start_paused = true)]
async fn latency_is_that_of_the_tests_own_time() {
    let store = Memory::with_latency(Duration::from_secs(1));
    store.script_puts([PutFault::Delay(Duration::from_secs(10))]);
    let start = Instant::now();
    assert!(matches!(put(&store, "a", Condition::Absent).await, PutOutcome::Applied(_)));
    assert_eq!(start.elapsed(), Duration::from_secs(11));
    store.get(NAME).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(12));
}

#[tokio::test]
async fn a_store_that_is_down_answers_nothing() {
    let store = Memory::new();
    store.set_down(true);
    assert!(matches!(put(&store, "a", Condition::Absent).await, PutOutcome::Unknown(_)));
    assert!(matches!(store.get(NAME).await, Err(Error::Unavailable(_))));
    assert!(matches!(store.list("", None, 1).await, Err(Error::Unavailable(_))));
    store.set_down(false);
    assert_eq!(content(&store), None);
    assert!(matches!(put(&store, "a", Condition::Absent).await, PutOutcome::Applied(_)));
}
