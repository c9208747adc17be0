//! Criteria for an answered request and for a completed write.

use highlander_testing::memory::{GetFault, Memory, PutFault};

use super::*;

/// Writes to a new blob of a store with `fault`. Returns whether reads and writes are failing afterwards.
async fn after_put(fault: PutFault) -> (bool, bool) {
    let memory = Arc::new(Memory::new());
    let watched = HealthTrackingStore::new(Arc::clone(&memory) as Arc<dyn Store>);
    memory.script_puts([fault]);
    watched.put("a", Bytes::new(), Condition::Absent).await;
    (watched.reads.lasts() > Duration::ZERO, watched.writes.lasts() > Duration::ZERO)
}

#[tokio::test]
async fn only_a_write_that_took_place_shows_that_writes_do() {
    assert_eq!(after_put(PutFault::Nothing).await, (false, false));
    assert_eq!(after_put(PutFault::LostRequest).await, (false, true));
    assert_eq!(after_put(PutFault::LostAnswer).await, (false, true));
    assert_eq!(after_put(PutFault::Denied).await, (false, true));
    assert_eq!(after_put(PutFault::Unavailable).await, (false, true));
}

#[tokio::test]
async fn reads_that_are_answered_do_not_hide_writes_that_fail() {
    let memory = Arc::new(Memory::new());
    let watched = HealthTrackingStore::new(Arc::clone(&memory) as Arc<dyn Store>);
    memory.plant("a", Bytes::new());
    memory.script_puts([PutFault::LostRequest]);
    watched.put("a", Bytes::new(), Condition::Absent).await;
    watched.get("a").await.unwrap();
    assert_eq!(watched.reads.lasts(), Duration::ZERO);
    let refused = watched.put("a", Bytes::new(), Condition::Absent).await;
    assert_eq!(refused, PutOutcome::PreconditionFailed);
    assert!(watched.writes.lasts() > Duration::ZERO);
    assert_eq!(watched.write_failure(), "scripted: no answer");
}

#[tokio::test]
async fn a_probe_finds_out_whether_writes_take_place() {
    let memory = Arc::new(Memory::new());
    let watched = HealthTrackingStore::new(Arc::clone(&memory) as Arc<dyn Store>);
    memory.script_puts([PutFault::LostRequest, PutFault::Unavailable]);
    for _ in 0..2 {
        watched.probe().await;
        assert!(watched.writes.lasts() > Duration::ZERO);
        assert_eq!(memory.peek(PROBE), None);
    }
    watched.probe().await;
    assert_eq!(watched.writes.lasts(), Duration::ZERO);
    let first = memory.peek(PROBE).unwrap();
    watched.probe().await;
    assert_ne!(memory.peek(PROBE).unwrap().etag, first.etag, "it also writes");
}

#[tokio::test]
async fn a_probe_that_another_node_was_faster_than_shows_that_writes_take_place() {
    let memory = Arc::new(Memory::new());
    let watched = HealthTrackingStore::new(Arc::clone(&memory) as Arc<dyn Store>);
    memory.script_puts([PutFault::LostRequest]);
    watched.probe().await;
    memory.plant(PROBE, Bytes::new());
    memory.plant(PROBE, Bytes::from_static(b"by another node"));
    memory.script_gets([GetFault::Stale]);
    watched.probe().await;
    assert_eq!(watched.writes.lasts(), Duration::ZERO);
}

#[test]
fn a_store_is_silent_since_it_answered_neither_reads_nor_writes() {
    let ms = Duration::from_millis;
    // Duration of failing reads, of failing writes, and of the silence, in ms.
    for (unread, unwritten, silent) in [
        (0, 0, 0),
        (0, 9_000, 0),
        (249, 9_000, 249),
        (250, 9_000, 9_000),
        (3_000, 9_000, 9_000),
        (9_000, 3_000, 9_000),
        (9_000, 0, 9_000),
        (100, 0, 100),
    ] {
        let failing = Failing::of(ms(unread), ms(unwritten), ms(250));
        let expected = Failing { silent: ms(silent), unwritten: ms(unwritten) };
        assert_eq!(failing, expected, "{unread} ms, {unwritten} ms");
    }
}

#[tokio::test]
async fn a_write_that_is_open_has_no_failure_of_an_earlier_one() {
    let memory = Arc::new(Memory::new());
    let watched = HealthTrackingStore::new(Arc::clone(&memory) as Arc<dyn Store>);
    assert_eq!(watched.write_failure(), "it has not responded");
    memory.script_puts([PutFault::LostRequest]);
    watched.put("a", Bytes::new(), Condition::Absent).await;
    assert_eq!(watched.write_failure(), "scripted: no answer");
    watched.put("a", Bytes::new(), Condition::Absent).await;
    assert_eq!(watched.write_failure(), "it has not responded");
}
