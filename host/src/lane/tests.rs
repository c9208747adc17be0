//! Calls in the lane: their order, their end, and panics.

use std::sync::atomic::{AtomicUsize, Ordering};

use highlander_core::call_context::Rank;
use highlander_core::schedule::shares::WEIGHT;
use tokio::sync::oneshot;

use super::*;

fn payer(type_name: &str, object: &str) -> Arc<Payer> {
    let (type_name, object) = (type_name.into(), object.into());
    Arc::new(Payer { rank: Rank::Client, type_name, weight: WEIGHT, object })
}

fn lane(threads: usize) -> Lane {
    Lane::start(Some(threads), Arc::new(Metrics::new()))
}

/// Counts how often it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Ends its slice at every poll, for ever.
async fn endless(held: Counted) {
    loop {
        assert!(guest_thread::is_current(), "it must not run elsewhere");
        tokio::task::yield_now().await;
        let _ = &held;
    }
}

#[tokio::test]
async fn a_call_runs_on_a_guest_thread_and_may_wait_for_the_runtime() {
    let lane = lane(2);
    let (sender, receiver) = oneshot::channel();
    let call = async move {
        tokio::spawn(async move { sender.send(guest_thread::is_current()) });
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        (receiver.await, guest_thread::is_current())
    };
    let ended = lane.spawn(payer("type", "a"), call).unwrap().await;
    assert_eq!(ended, Some((Ok(false), true)));
}

#[tokio::test]
async fn a_panic_ends_its_call_alone() {
    let lane = lane(1);
    for _ in 0..3 {
        let panics = async { panic!("in a call") };
        assert_eq!(lane.spawn(payer("type", "a"), panics).unwrap().await, None::<()>);
    }
    assert_eq!(lane.spawn(payer("type", "a"), async { 1 }).unwrap().await, Some(1));
}

#[tokio::test]
async fn a_newcomer_is_answered_beside_calls_that_never_end_and_these_can_be_dropped() {
    let lane = lane(1);
    let dropped = Arc::<AtomicUsize>::default();
    let greedy = (0..100).map(|number| {
        let call = endless(Counted(Arc::clone(&dropped)));
        lane.spawn(payer("greedy", &number.to_string()), call).unwrap()
    });
    let greedy: Vec<_> = greedy.collect();
    for _ in 0..10 {
        assert_eq!(lane.spawn(payer("newcomer", "a"), async { 1 }).unwrap().await, Some(1));
    }
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    drop(greedy);
    while dropped.load(Ordering::SeqCst) < 100 {
        tokio::task::yield_now().await;
    }
    while !lane.queue.waiting.lock().shares.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_lane_refuses_new_calls_and_not_those_that_have_begun() {
    let lane = lane(1);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    // It blocks the only thread, so that all others wait.
    let blocking = lane.spawn(payer("type", "blocking"), async move {
        let _ = (begin.send(()), held.recv());
    });
    begun.await.unwrap();
    let waiting: Vec<_> =
        (0..PLACES).map(|_| lane.spawn(payer("type", "a"), async {}).unwrap()).collect();
    assert_eq!(lane.spawn(payer("other", "a"), async {}).map(drop), Err(LaneFull));
    let admitted = lane.admit(payer("other", "a"), async { 1 });
    drop(hold);
    assert_eq!(blocking.unwrap().await, Some(()));
    for call in waiting {
        assert_eq!(call.await, Some(()));
    }
    assert_eq!(admitted.await, Some(1));
    assert_eq!(lane.spawn(payer("other", "a"), async { 2 }).unwrap().await, Some(2));
}
