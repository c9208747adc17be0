//! The probe on an in-memory store. The tests of the S3 store cover stores that decide wrongly, because their
//! server can simulate them.

use std::sync::Arc;

use highlander_testing::memory::{GetFault, Memory, PutFault};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_store_that_decides_rightly_passes_again_and_again() {
    let store = Memory::new();
    for _ in 0..3 {
        assert_eq!(check_rounds(&store, 50).await, Ok(()));
    }
    let names = store.list("", None, 10).await.unwrap().names;
    assert_eq!(names, [NAME], "no blobs accumulate");
}

#[tokio::test(start_paused = true)]
async fn nodes_that_check_at_the_same_moment_do_not_accuse_the_store() {
    let store = Arc::new(Memory::with_latency(Duration::from_millis(3)));
    let nodes = (0..8_u64).map(|node| {
        let store = Arc::clone(&store);
        async move {
            tokio::time::sleep(Duration::from_millis(node)).await;
            check_rounds(&*store, 20).await
        }
    });
    for outcome in join_all(nodes).await {
        assert_eq!(outcome, Ok(()));
    }
}

/// AWS answers 409 to concurrent writes of the same blob.
#[tokio::test(start_paused = true)]
async fn a_write_that_met_others_until_one_was_through_has_lost_to_it() {
    let store = Memory::new();
    assert_eq!(check(&store).await, Ok(()));
    let mut probe = Probe { store: &store, told_count: 0, untold_count: 0, unclear: String::new() };
    let before = probe.read().await.unwrap().unwrap();
    let mine = Content::after(Some(&before.content));
    let condition = Condition::Matches(before.etag.clone());
    store.script_puts(std::iter::repeat_n(PutFault::LostRequest, 4));
    let outcome = probe.settle(&mine, condition.clone()).await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "no other node was faster: {outcome:?}");
    let theirs = Content::after(Some(&before.content));
    let put = store.put(NAME, theirs.bytes(), condition.clone()).await;
    assert!(matches!(put, PutOutcome::Applied(_)), "{put:?}");
    store.script_puts(std::iter::repeat_n(PutFault::LostRequest, 4));
    assert_eq!(probe.settle(&mine, condition).await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answers_were_all_lost_is_found_by_reading() {
    let store = Memory::new();
    let mut probe = Probe { store: &store, told_count: 0, untold_count: 0, unclear: String::new() };
    store.script_puts(std::iter::repeat_n(PutFault::LostAnswer, 4));
    let mine = Content::after(None);
    let written = probe.settle(&mine, Condition::Absent).await.unwrap();
    let found = probe.read().await.unwrap().unwrap();
    assert_eq!((Some(found.etag), found.content), (written, mine));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_there_is_replaced() {
    let store = Memory::new();
    store.plant(NAME, Bytes::from_static(b"not ours"));
    assert_eq!(check(&store).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn lost_requests_and_answers_are_no_finding() {
    use PutFault::{LostAnswer, LostRequest, Nothing};
    let store = Memory::new();
    let faults = [LostAnswer, LostRequest, Nothing, LostAnswer, LostAnswer, Nothing];
    store.script_puts(std::iter::repeat_n(faults, 10).flatten());
    store.script_gets([GetFault::Unavailable, GetFault::Nothing, GetFault::Unavailable]);
    assert_eq!(check_rounds(&store, 20).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_tells_the_etag_is_found() {
    let store = Memory::new();
    // Each write takes place, but its answer is lost.
    store.script_puts(std::iter::repeat_n(PutFault::LostAnswer, 1000));
    assert!(matches!(check(&store).await, Err(Error::NoETag(_) | Error::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_read_of_the_past_is_found() {
    let store = Memory::new();
    assert_eq!(check(&store).await, Ok(()));
    store.script_gets([GetFault::Nothing, GetFault::Stale]);
    assert_eq!(check(&store).await, Err(Error::StaleRead));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_no_wrong_store() {
    let store = Memory::new();
    store.set_down(true);
    assert!(matches!(check(&store).await, Err(Error::Unavailable(_))));
    store.set_down(false);
    store.script_puts([PutFault::Denied]);
    assert!(matches!(check(&store).await, Err(Error::Denied(_))));
    assert_eq!(check(&store).await, Ok(()));
}
