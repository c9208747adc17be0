//! Conformance checks that every store must pass.
//!
//! A check panics if the store misbehaves. Each uses fresh names and leaves most of its blobs behind. A write whose
//! outcome is unknown is sent again, as an activation would do.

#![allow(clippy::panic, reason = "a failed check ends the test that called it")]

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use highlander_core::id::{Hex, ObjectId};
use highlander_core::store::{Blob, Condition, ETag, PutOutcome, Store};
use rand::RngExt as _;

/// Writers that race for one name.
const RACER_COUNT: usize = 16;
/// Number of races.
const RACE_COUNT: usize = 30;
/// A 16 MiB component plus one byte, so that the size is not a multiple of a block.
const LARGE_BYTES: usize = 16 * 1024 * 1024 + 1;
/// Attempts per write while its outcome is unknown.
const ATTEMPT_COUNT_MAX: usize = 20;

/// Checks every guarantee that a store gives while it is open.
///
/// # Panics
/// If the store violates a guarantee.
pub async fn check(store: Arc<dyn Store>) {
    let place = new_place();
    conditions_decide(&*store, &format!("{place}/conditions.json")).await;
    every_write_has_an_etag_of_its_own(&*store, &format!("{place}/etags.json")).await;
    one_of_many_racing_writers_wins(&store, &format!("{place}/race.json"), RACE_COUNT).await;
    reads_never_go_back(&store, &format!("{place}/reads.json")).await;
    listings_are_ordered_and_paged(&*store, &format!("{place}/list")).await;
    odd_names_are_kept_apart(&*store, &place).await;
    blobs_of_every_size_come_back(&*store, &format!("{place}/size")).await;
    what_is_removed_is_gone(&*store, &format!("{place}/removed")).await;
}

/// Checks that writes survive closing and reopening the store, and that no ETag is used twice.
///
/// # Panics
/// If a check fails.
pub async fn check_reopening(open: impl AsyncFn() -> Arc<dyn Store>) {
    let place = new_place();
    let name = |number: usize| format!("{place}/{number}.json");
    let mut written: Vec<Blob> = Vec::new();
    for round in 0..4 {
        let store = open().await;
        for (number, blob) in written.iter().enumerate() {
            assert_eq!(read(&*store, &name(number)).await.as_ref(), Some(blob), "round {round}");
        }
        let etag = write(&*store, &name(round), b"same", Condition::Absent).await;
        assert!(written.iter().all(|blob| blob.etag != etag), "{etag:?} was returned twice");
        written.push(Blob { bytes: Bytes::from_static(b"same"), etag });
        if let Some(first) = written.first_mut() {
            let condition = Condition::Matches(first.etag.clone());
            first.etag = write(&*store, &name(0), b"same", condition).await;
        }
    }
}

/// Checks, `race_count` times, that exactly one of many racing writers wins. The name does not exist at first.
///
/// # Panics
/// If no writer wins, or several do.
pub async fn check_races(store: Arc<dyn Store>, race_count: usize) {
    let place = new_place();
    one_of_many_racing_writers_wins(&store, &format!("{place}/race.json"), race_count).await;
}

/// Returns a name prefix that no other check uses.
fn new_place() -> String {
    let random: [u8; 8] = rand::rng().random();
    format!("conformance/{}", Hex(&random))
}

/// Sends a write until its outcome is known.
async fn settle(store: &dyn Store, name: &str, bytes: Bytes, condition: Condition) -> PutOutcome {
    let mut reason = String::new();
    for attempt in 0..ATTEMPT_COUNT_MAX {
        match store.put(name, bytes.clone(), condition.clone()).await {
            PutOutcome::Unknown(why) => reason = why,
            // An earlier attempt may have succeeded and made the precondition fail.
            PutOutcome::PreconditionFailed if attempt > 0 => match read(store, name).await {
                Some(blob) if blob.bytes == bytes => return PutOutcome::Applied(blob.etag),
                _ => return PutOutcome::PreconditionFailed,
            },
            put => return put,
        }
    }
    panic!("the outcome of writing {name} stays unknown: {reason}")
}

/// Performs a write that must succeed.
async fn write(store: &dyn Store, name: &str, bytes: &'static [u8], condition: Condition) -> ETag {
    match settle(store, name, Bytes::from_static(bytes), condition).await {
        PutOutcome::Applied(etag) => etag,
        put => panic!("{name} was not written: {put:?}"),
    }
}

async fn refuses(store: &dyn Store, name: &str, condition: Condition) {
    let put = settle(store, name, Bytes::from_static(b"never"), condition.clone()).await;
    assert_eq!(put, PutOutcome::PreconditionFailed, "{name} under {condition:?}");
}

async fn read(store: &dyn Store, name: &str) -> Option<Blob> {
    store.get(name).await.unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

async fn conditions_decide(store: &dyn Store, name: &str) {
    assert_eq!(read(store, name).await, None);
    let first = write(store, &format!("{name}.other"), b"other", Condition::Absent).await;
    refuses(store, name, Condition::Matches(first)).await;
    assert_eq!(read(store, name).await, None);

    let first = write(store, name, b"a", Condition::Absent).await;
    assert_eq!(read(store, name).await, Some(Blob { bytes: "a".into(), etag: first.clone() }));
    refuses(store, name, Condition::Absent).await;

    let second = write(store, name, b"b", Condition::Matches(first.clone())).await;
    refuses(store, name, Condition::Matches(first)).await;
    refuses(store, name, Condition::Absent).await;
    assert_eq!(read(store, name).await, Some(Blob { bytes: "b".into(), etag: second }));
}

async fn every_write_has_an_etag_of_its_own(store: &dyn Store, name: &str) {
    // All contents differ, as records do by their write id, because a store may derive ETags from content digests.
    let first = write(store, name, b"1", Condition::Absent).await;
    let second = write(store, name, b"2", Condition::Matches(first.clone())).await;
    let third = write(store, name, b"3", Condition::Matches(second.clone())).await;
    assert!(first != second && second != third && first != third);
    refuses(store, name, Condition::Matches(first)).await;
    refuses(store, name, Condition::Matches(second)).await;
    assert_eq!(read(store, name).await.map(|blob| blob.etag), Some(third));
}

async fn one_of_many_racing_writers_wins(store: &Arc<dyn Store>, name: &str, race_count: usize) {
    let mut condition = Condition::Absent;
    for round in 0..race_count {
        // Separate tasks, so that the writers can run at the same moment.
        let racers = (0..RACER_COUNT).map(|racer| {
            let (store, name, condition) = (Arc::clone(store), name.to_owned(), condition.clone());
            let bytes = Bytes::from(format!("round {round}, racer {racer}"));
            tokio::spawn(async move {
                let put = settle(&*store, &name, bytes.clone(), condition).await;
                (bytes, put)
            })
        });
        let outcomes = join_all(racers.collect::<Vec<_>>()).await;
        let outcomes = outcomes.into_iter().map(|task| task.expect("a racer never panics"));
        let (winners, losers): (Vec<_>, Vec<_>) =
            outcomes.partition(|(_, put)| matches!(put, PutOutcome::Applied(_)));
        assert!(losers.iter().all(|(_, put)| *put == PutOutcome::PreconditionFailed), "{losers:?}");
        let [(bytes, PutOutcome::Applied(etag))] = &winners[..] else {
            panic!("round {round} has {} winners", winners.len());
        };
        let expected = Blob { bytes: bytes.clone(), etag: etag.clone() };
        assert_eq!(read(&**store, name).await, Some(expected), "round {round}");
        condition = Condition::Matches(etag.clone());
    }
}

async fn reads_never_go_back(store: &Arc<dyn Store>, name: &str) {
    const NEWEST: u32 = 200;
    let readers = (0..4).map(|_| {
        let (store, name) = (Arc::clone(store), name.to_owned());
        tokio::spawn(async move {
            let mut newest = 0;
            while newest < NEWEST {
                if let Some(blob) = read(&*store, &name).await {
                    let number = blob.bytes.as_ref().try_into().map(u32::from_be_bytes);
                    let number = number.expect("every written value has four bytes");
                    assert!(number >= newest, "{number} was read after {newest}");
                    newest = number;
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut condition = Condition::Absent;
    for number in 1..=NEWEST {
        let bytes = Bytes::copy_from_slice(&number.to_be_bytes());
        let PutOutcome::Applied(etag) = settle(&**store, name, bytes.clone(), condition).await
        else {
            panic!("write {number} was not applied");
        };
        let expected = Blob { bytes, etag: etag.clone() };
        assert_eq!(read(&**store, name).await, Some(expected), "a read returns the last write");
        condition = Condition::Matches(etag);
    }
    for reader in readers {
        reader.await.expect("a reader never panics");
    }
}

async fn what_is_removed_is_gone(store: &dyn Store, place: &str) {
    let (name, other) = (format!("{place}/a.wasm"), format!("{place}/a.wasm.other"));
    let remove = async || store.delete(&name).await.expect("the removal succeeds");
    remove().await;
    let etag = write(store, &name, b"a", Condition::Absent).await;
    write(store, &other, b"b", Condition::Absent).await;
    remove().await;
    remove().await;
    assert_eq!(read(store, &name).await, None);
    refuses(store, &name, Condition::Matches(etag)).await;
    let left = store.list(&format!("{place}/"), None, 10).await.expect("the listing succeeds");
    assert_eq!(left.names, [other]);
}

async fn listings_are_ordered_and_paged(store: &dyn Store, place: &str) {
    let page = store.list(place, None, 10).await.expect("the listing succeeds");
    assert_eq!((page.names, page.has_more), (Vec::new(), false));

    let mut names: Vec<_> = ["a", "a.json", "a/b", "b-1", "b0", "b%20", "b~", "c/1", "c/10", "c/2"]
        .map(|name| format!("{place}/{name}"))
        .into();
    for name in names.iter().rev() {
        write(store, name, b"x", Condition::Absent).await;
    }
    write(store, &format!("{place}0"), b"x", Condition::Absent).await;
    names.sort();
    let all = format!("{place}/");
    for limit in [1, 3, names.len() - 1, names.len(), names.len() + 1] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().map(String::as_str);
            let page = store.list(&all, after, limit).await.expect("the listing succeeds");
            assert!(page.names.len() <= limit, "{} names for {limit}", page.names.len());
            found.extend(page.names);
            assert_eq!(page.has_more, found.len() < names.len(), "limit {limit}: {found:?}");
            if !page.has_more {
                break;
            }
        }
        assert_eq!(found, names, "limit {limit}");
    }
    // A prefix that ends inside a segment, a start position between two names, and one before all names.
    for (prefix, after, expected) in [
        ("c/1", None, &["c/1", "c/10"][..]),
        ("", Some("c/0"), &["c/1", "c/10", "c/2"]),
        ("c/", Some("a"), &["c/1", "c/10", "c/2"]),
        ("a", Some("c/2"), &[]),
        ("d", None, &[]),
    ] {
        let after = after.map(|after| format!("{all}{after}"));
        let page = store.list(&format!("{all}{prefix}"), after.as_deref(), 10).await;
        let expected: Vec<_> = expected.iter().map(|name| format!("{all}{name}")).collect();
        assert_eq!(
            page.expect("the listing succeeds").names,
            expected,
            "{prefix:?} after {after:?}"
        );
    }
}

async fn odd_names_are_kept_apart(store: &dyn Store, place: &str) {
    let visible: String = (' '..='~').collect();
    let long = "ä".repeat(128);
    let keys = ["..", ".", "%2e", "a/../b", "a//b", "A", "a", "+", " ", "ä", &visible, &long];
    let name = |key: &str| {
        let id = ObjectId::new("odd", key).expect("a valid key");
        format!("{place}/{}", id.blob_key())
    };
    for key in keys {
        let put = settle(store, &name(key), key.to_owned().into(), Condition::Absent).await;
        assert!(matches!(put, PutOutcome::Applied(_)), "{key:?}: {put:?}");
    }
    for key in keys {
        let found = read(store, &name(key)).await.map(|blob| blob.bytes);
        assert_eq!(found.as_deref(), Some(key.as_bytes()), "{key:?}");
    }
    let page = store
        .list(&format!("{place}/objects/odd/"), None, 100)
        .await
        .expect("the listing succeeds");
    let mut names = keys.map(name);
    names.sort();
    assert_eq!(page.names, names);
}

async fn blobs_of_every_size_come_back(store: &dyn Store, place: &str) {
    for size in [0, 1, 4096, 65_536, 1_000_000, LARGE_BYTES] {
        let name = format!("{place}/{size}");
        // Bytes that do not compress and do not repeat with the period of a block.
        let mut word = size as u64 | 1;
        let bytes: Vec<u8> = (0..size)
            .map(|_| {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                word.to_be_bytes().first().copied().unwrap_or_default()
            })
            .collect();
        let bytes = Bytes::from(bytes);
        let put = settle(store, &name, bytes.clone(), Condition::Absent).await;
        let PutOutcome::Applied(etag) = put else { panic!("{size} bytes: {put:?}") };
        let found = read(store, &name).await.expect("the blob exists");
        assert!(found.bytes == bytes && found.etag == etag, "{size} bytes came back changed");
    }
}
