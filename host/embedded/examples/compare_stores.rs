//! Benchmark of two embedded databases under the load of a node: 64 writers, small conditional writes, each
//! durable.
//!
//! Run with `cargo run --release -p highlander-embedded --example compare_stores [NAMES]`, 1,000 names by default. The
//! databases are created in the current directory, because a temporary directory may be in memory. Results:
//! `docs/decisions/embedded-store.md`.
//!
//! Both databases get the same writer: one thread takes all waiting writes, checks their conditions in order,
//! commits them in one transaction with a single fsync, and answers all of them.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement, run by hand")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a missing result is also a result"
)]

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};
use rustix::time::{ClockId, clock_gettime};

const WRITER_COUNT: usize = 64;
const BLOB_BYTES: usize = 600;
const BATCH_MAX: usize = 256;
const MEASURED: Duration = Duration::from_secs(10);
const CACHE_BYTES: usize = 32 * 1024 * 1024;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("blobs");

/// One conditional write: the blob must begin with `expected` (0: be absent) and is replaced by `number`.
struct Write {
    name: String,
    expected: u64,
    number: u64,
    answer: SyncSender<bool>,
}

trait Candidate: Send + 'static {
    /// Commits the writes whose conditions hold, durably. Returns for each write whether it was applied.
    fn commit(&mut self, writes: &[Write]) -> Vec<bool>;
    fn get(&self, name: &str) -> Option<Vec<u8>>;
}

fn blob(number: u64) -> Vec<u8> {
    let mut blob = number.to_be_bytes().to_vec();
    // Text that compresses about as well as JSON.
    blob.extend((0..BLOB_BYTES).map(|place| b'a' + ((place as u64 * number) % 23) as u8));
    blob
}

fn number_of(blob: &[u8]) -> u64 {
    u64::from_be_bytes(blob[..8].try_into().unwrap())
}

struct Fjall(Database, Keyspace);

impl Fjall {
    fn open(folder: &Path) -> Self {
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES as u64)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()
            .unwrap();
        let options = || KeyspaceCreateOptions::default().max_memtable_size(8 * 1024 * 1024);
        let blobs = database.keyspace("blobs", options).unwrap();
        Self(database, blobs)
    }
}

impl Candidate for Fjall {
    fn commit(&mut self, writes: &[Write]) -> Vec<bool> {
        let mut batch = self.0.batch().durability(Some(PersistMode::SyncData));
        let applied = writes.iter().map(|write| {
            let present = self.1.get(&write.name).unwrap().map_or(0, |blob| number_of(&blob));
            let holds = present == write.expected;
            if holds {
                batch.insert(&self.1, write.name.as_bytes(), blob(write.number));
            }
            holds
        });
        let applied = applied.collect();
        batch.commit().unwrap();
        applied
    }

    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.1.get(name).unwrap().map(|blob| blob.to_vec())
    }
}

struct Redb(redb::Database);

impl Redb {
    fn open(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let mut builder = redb::Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        Self(builder.create(folder.join("blobs.redb")).unwrap())
    }
}

impl Candidate for Redb {
    fn commit(&mut self, writes: &[Write]) -> Vec<bool> {
        let transaction = self.0.begin_write().unwrap();
        let mut table = transaction.open_table(TABLE).unwrap();
        let applied = writes.iter().map(|write| {
            let name = write.name.as_bytes();
            let present = table.get(name).unwrap().map_or(0, |blob| number_of(blob.value()));
            let holds = present == write.expected;
            if holds {
                table.insert(name, blob(write.number).as_slice()).unwrap();
            }
            holds
        });
        let applied = applied.collect();
        drop(table);
        transaction.commit().unwrap();
        applied
    }

    fn get(&self, name: &str) -> Option<Vec<u8>> {
        let transaction = self.0.begin_read().unwrap();
        let table = transaction.open_table(TABLE).unwrap();
        table.get(name.as_bytes()).unwrap().map(|blob| blob.value().to_vec())
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Writes until the time is over. Returns the latencies of all writes.
fn write(
    writer: usize,
    name_count: usize,
    queue: &SyncSender<Write>,
    until: Instant,
) -> Vec<Duration> {
    let (answer, answered) = sync_channel(1);
    let mut latencies = Vec::new();
    let mut numbers = vec![0; name_count / WRITER_COUNT];
    while Instant::now() < until {
        let slot = latencies.len() % numbers.len();
        let name = format!("objects/todo/{:07}.json", slot * WRITER_COUNT + writer);
        let (expected, number) = (numbers[slot], numbers[slot] + 1);
        let start = Instant::now();
        queue.send(Write { name, expected, number, answer: answer.clone() }).unwrap();
        assert!(answered.recv().unwrap(), "no other writer uses this name");
        latencies.push(start.elapsed());
        numbers[slot] = number;
    }
    latencies
}

fn measure(name: &str, name_count: usize, folder: &Path, mut candidate: impl Candidate) {
    let (queue, waiting) = sync_channel::<Write>(1024);
    let (until, cpu_before) = (Instant::now() + MEASURED, cpu());
    let writer = std::thread::spawn(move || {
        let mut commit_count = 0_u32;
        while let Ok(first) = waiting.recv() {
            let mut writes = vec![first];
            writes.extend(waiting.try_iter().take(BATCH_MAX - 1));
            let applied = candidate.commit(&writes);
            commit_count += 1;
            writes.iter().zip(applied).for_each(|(write, ok)| write.answer.send(ok).unwrap());
        }
        (candidate, commit_count)
    });
    let writers: Vec<_> = (0..WRITER_COUNT)
        .map(|number| {
            let queue = queue.clone();
            std::thread::spawn(move || write(number, name_count, &queue, until))
        })
        .collect();
    let mut latencies: Vec<_> =
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    let cpu = cpu() - cpu_before;
    drop(queue);
    let (candidate, commit_count) = writer.join().unwrap();
    latencies.sort();
    let count = latencies.len();
    let at = |share: f64| latencies[(count as f64 * share) as usize];
    println!(
        "{name}: {:.0} writes/s, {:.0} commits/s, p50 {:?}, p99 {:?}, CPU per write {:?}",
        count as f64 / MEASURED.as_secs_f64(),
        f64::from(commit_count) / MEASURED.as_secs_f64(),
        at(0.5),
        at(0.99),
        cpu.div_f64(count as f64),
    );
    let start = Instant::now();
    let reads = 200_000;
    for number in 0..reads {
        let present = candidate.get(&format!("objects/todo/{:07}.json", number * 7 % 500));
        assert!(present.is_some());
    }
    drop(candidate);
    let size = std::process::Command::new("du").arg("-sk").arg(folder).output().unwrap();
    let size = String::from_utf8_lossy(&size.stdout).split_whitespace().next().unwrap().to_owned();
    println!("{name}: a read takes {:?}, {size} KiB on disk", start.elapsed() / reads);
}

fn main() {
    let names = std::env::args().nth(1).map_or(1000, |names| names.parse().unwrap());
    let folder = tempfile::tempdir_in(".").unwrap();
    for round in 0..2 {
        let path = folder.path().join(format!("fjall-{round}"));
        measure("fjall", names, &path, Fjall::open(&path));
        let path = folder.path().join(format!("redb-{round}"));
        measure("redb", names, &path, Redb::open(&path));
    }
}
