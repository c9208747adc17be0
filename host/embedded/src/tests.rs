//! The embedded store conforms to the store port, also after a restart, and refuses foreign directories.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::*;

mod damage;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[track_caller]
fn open_error(path: &Path) -> OpenError {
    Embedded::open(path).map(drop).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_store() {
    let folder = folder();
    highlander_testing::store::check(Arc::new(Embedded::open(folder.path()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_the_same_store_after_it_was_opened_again() {
    let folder = folder();
    let open = || Arc::new(Embedded::open(folder.path()).unwrap()) as Arc<dyn Store>;
    highlander_testing::store::check_reopening(async || open()).await;
}

#[tokio::test]
async fn equal_bytes_have_another_etag_each_time() {
    let folder = folder();
    let store = Embedded::open(folder.path()).unwrap();
    let same = Bytes::from_static(b"same");
    let PutOutcome::Applied(first) = store.put("a", same.clone(), Condition::Absent).await else {
        panic!("not applied");
    };
    let again = store.put("a", same.clone(), Condition::Matches(first.clone())).await;
    assert!(matches!(&again, PutOutcome::Applied(second) if *second != first), "{again:?}");
    assert_eq!(
        store.put("a", same, Condition::Matches(first)).await,
        PutOutcome::PreconditionFailed
    );
}

#[tokio::test]
async fn names_and_blobs_beyond_the_limits_are_denied() {
    let folder = folder();
    let store = Embedded::open(folder.path()).unwrap();
    let too_large = Bytes::from(vec![0; BLOB_BYTES_MAX + 1]);
    for (name, bytes) in
        [("", Bytes::new()), (&"n".repeat(NAME_BYTES_MAX + 1), Bytes::new()), ("large", too_large)]
    {
        let put = store.put(name, bytes, Condition::Absent).await;
        assert!(matches!(put, PutOutcome::Rejected(_)), "{put:?}");
    }
    let largest = Bytes::from(vec![7; BLOB_BYTES_MAX]);
    let put = store.put(&"n".repeat(NAME_BYTES_MAX), largest.clone(), Condition::Absent).await;
    assert!(matches!(put, PutOutcome::Applied(_)), "{put:?}");
    drop(store);
    let store = Embedded::open(folder.path()).unwrap();
    let found = store.get(&"n".repeat(NAME_BYTES_MAX)).await.unwrap().unwrap();
    assert!(found.bytes == largest);
}

#[test]
fn a_folder_is_open_once() {
    let folder = folder();
    let store = Embedded::open(folder.path()).unwrap();
    let error = open_error(folder.path());
    assert!(matches!(&error, OpenError::InUse(path) if path == folder.path()), "{error}");
    drop(store);
    Embedded::open(folder.path()).unwrap();
}

#[test]
fn a_folder_that_is_made_is_the_owners_alone() {
    let folder = folder();
    let path = folder.path().join("deep/store");
    drop(Embedded::open(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    drop(Embedded::open(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_folder_of_somebody_else_is_left_as_it_was() {
    let folder = folder();
    fs::write(folder.path().join("letter.txt"), "Dear ...").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(open_error(folder.path()), OpenError::NotAStore(_)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn a_newer_or_unreadable_format_is_refused() {
    let folder = folder();
    drop(Embedded::open(folder.path()).unwrap());
    let marker = folder.path().join("format");
    assert_eq!(fs::read_to_string(&marker).unwrap(), "highlander embedded store, format 2\n");
    fs::write(&marker, "highlander embedded store, format 3\n").unwrap();
    assert!(matches!(open_error(folder.path()), OpenError::NewerFormat { found: 3, known: 2, .. }));
    fs::write(&marker, "highlander embedded store, format 1\n").unwrap();
    assert!(matches!(open_error(folder.path()), OpenError::OlderFormat { found: 1, known: 2, .. }));
    fs::write(&marker, "something else").unwrap();
    assert!(matches!(open_error(folder.path()), OpenError::NotAStore(_)));
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_written_before_the_folder_is_free() {
    let folder = folder();
    let store = Embedded::open(folder.path()).unwrap();
    let put = store.put("a", Bytes::from_static(b"a"), Condition::Absent);
    // Polled once, so that the write is queued, then dropped.
    assert!(futures_util::FutureExt::now_or_never(put).is_none());
    drop(store);
    let store = Embedded::open(folder.path()).unwrap();
    assert!(store.get("a").await.unwrap().is_some());
}

/// Passes the directory to the process that is killed.
const KILLED_FOLDER: &str = "HIGHLANDER_TEST_KILLED_FOLDER";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_kill() {
    let folder = folder();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::writes_until_it_is_killed"])
        .args(["--ignored", "--nocapture"])
        .env(KILLED_FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answered = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(name) = line.unwrap().strip_prefix("answered ") {
            answered.push(name.to_owned());
        }
        if answered.len() == 500 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(answered.len() >= 500, "{} were acknowledged", answered.len());
    let store = Embedded::open(folder.path()).unwrap();
    for name in answered {
        let blob = store.get(&name).await.unwrap();
        assert_eq!(blob.map(|blob| blob.bytes), Some(Bytes::from(name.clone())), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a part of what_was_answered_survives_a_kill"]
async fn writes_until_it_is_killed() {
    let Ok(folder) = std::env::var(KILLED_FOLDER) else { return };
    let store = Embedded::open(Path::new(&folder)).unwrap();
    let writer = async |writer: usize| {
        for number in 0.. {
            let name = format!("{writer}/{number}");
            let put = store.put(&name, Bytes::from(name.clone()), Condition::Absent).await;
            assert!(matches!(put, PutOutcome::Applied(_)), "{put:?}");
            println!("answered {name}");
        }
    };
    join_all((0..16).map(writer)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p highlander-embedded --lib -- --ignored --nocapture how"]
#[allow(clippy::disallowed_methods, reason = "a measurement of waiting, not of the host's time")]
async fn how_fast_it_is() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let store = Arc::new(Embedded::open(folder.path()).unwrap());
    for (writer_count, bytes, rounds) in [(1, 600, 500), (64, 600, 2000), (4, 1 << 20, 250)] {
        let start = Instant::now();
        let writers = (0..writer_count).map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let name = format!("{bytes}/{writer_count}/{writer}");
                let mut condition = Condition::Absent;
                let mut latencies = Vec::new();
                for round in 0..rounds {
                    let blob = Bytes::from(vec![round as u8; bytes]);
                    let start = Instant::now();
                    let put = store.put(&name, blob, condition).await;
                    latencies.push(start.elapsed());
                    let PutOutcome::Applied(etag) = put else { panic!("{put:?}") };
                    condition = Condition::Matches(etag);
                }
                latencies
            })
        });
        let latencies = join_all(writers.collect::<Vec<_>>()).await;
        let mut latencies: Vec<_> = latencies.into_iter().flat_map(Result::unwrap).collect();
        latencies.sort();
        let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
        let (p50, p99) = (latencies[latencies.len() / 2], latencies[latencies.len() * 99 / 100]);
        println!("{writer_count} writers, {bytes} B: {rate:.0}/s, p50 {p50:?}, p99 {p99:?}");
    }
    let each = |start: Instant, count: u32| start.elapsed() / count;
    let start = Instant::now();
    for number in 0..20_000 {
        store.get(&format!("600/64/{}", number % 64)).await.unwrap().unwrap();
    }
    println!("a read: {:?}", each(start, 20_000));
    let start = Instant::now();
    for number in 0..20_000 {
        store.database.get(&format!("600/64/{}", number % 64)).unwrap().unwrap();
    }
    println!("a read on this thread: {:?}", each(start, 20_000));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let size = Command::new("du").arg("-sm").arg(folder.path()).output().unwrap();
    println!("on disk: {} MiB", String::from_utf8_lossy(&size.stdout));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmRSS")).unwrap());
}
