//! Objects of a cluster with a recorded history of every call, and the checks at the end of each test.
//!
//! At the end all objects must respond again. Calls with an unknown outcome are repeated under their keys. Then
//! the histories are checked against the responses to callers and against the records in the store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::Cluster;
use crate::client::Client;
use crate::history::recorder::Recorder;
use crate::history::{Kind, Outcome, revisions};

/// Time limit for objects to respond again after a fault ends: the bound of guarantee L5, doubled because other
/// tests may keep the machine busy.
const SETTLED: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);
/// Number of records that are checked concurrently.
const AT_ONCE: usize = 32;

/// Objects that no other test calls.
#[derive(Debug, Clone)]
pub struct Objects(Arc<[Arc<Recorder>]>);

/// Counts of the outcomes in all histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Successful updates.
    pub done: u64,
    /// Successful reads.
    pub read: u64,
    /// Calls reported as not executed.
    pub not_executed: u64,
    /// Calls with an unknown outcome.
    pub unknown: u64,
}

impl Objects {
    /// Creates journals with keys of this prefix.
    #[must_use]
    pub fn journals(prefix: &str, count: usize) -> Self {
        Self::new((0..count).map(|number| format!("journal/{prefix}-{number}")))
    }

    /// Creates recorders for these objects, each `type/key`.
    #[must_use]
    pub fn new(objects: impl IntoIterator<Item = String>) -> Self {
        Self(objects.into_iter().map(|object| Arc::new(Recorder::new(&object))).collect())
    }

    /// Returns the recorders of the objects.
    #[must_use]
    pub fn recorders(&self) -> &[Arc<Recorder>] {
        &self.0
    }

    /// Returns the number of successful calls so far.
    #[must_use]
    pub fn answered_count(&self) -> u64 {
        self.0.iter().map(|recorder| recorder.answered_count()).sum()
    }

    /// Waits for this many more successful calls.
    ///
    /// # Panics
    /// If the time limit expires.
    pub async fn more_answers(&self, count: u64) {
        let aim = self.answered_count() + count;
        crate::wait::until(&format!("{count} more answers"), async || self.answered_count() >= aim)
            .await;
    }

    /// Counts the outcomes of all calls.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for call in self.0.iter().flat_map(|recorder| recorder.calls()) {
            match (call.outcome, call.kind) {
                (Outcome::Done(_), Kind::Change) => totals.done += 1,
                (Outcome::Done(_), _) => totals.read += 1,
                (Outcome::NotExecuted, _) => totals.not_executed += 1,
                (Outcome::Unknown, _) => totals.unknown += 1,
            }
        }
        totals
    }

    /// Checks that no object went back to an older revision, for tests without a roll-back.
    ///
    /// # Panics
    /// If one did.
    pub fn judge_revisions(&self) {
        for recorder in self.0.iter() {
            if let Err(fall) = revisions::check(&recorder.calls()) {
                panic!("{} went back to an older revision: {fall:?}", recorder.object());
            }
        }
    }

    /// Waits until every object can be read and changed through every running node, and returns the time that this
    /// took.
    ///
    /// # Panics
    /// If one cannot within the bound.
    pub async fn settle(&self, cluster: &Cluster) -> Duration {
        let begun = Instant::now();
        let clients: Vec<_> = cluster.nodes().iter().filter(|node| node.is_running()).collect();
        let clients: Vec<_> = clients.iter().map(|node| Client::new(&node.url())).collect();
        for chunk in self.0.chunks(AT_ONCE) {
            join_all(chunk.iter().map(|recorder| settle_one(recorder, &clients, begun))).await;
        }
        begun.elapsed()
    }

    /// Checks that all changes of each object were made by one owner.
    ///
    /// # Panics
    /// If they were not.
    pub fn have_one_owner(&self) {
        for recorder in self.recorders() {
            let calls = recorder.calls();
            let mut makers: Vec<_> = calls.iter().filter_map(|call| call.maker.as_ref()).collect();
            makers.dedup();
            assert_eq!(makers.len(), 1, "more than one owner made changes: {makers:?}");
        }
    }

    /// Forgets the queries that rely on a lease, for tests in which a claim is lost without its holder's knowledge.
    pub fn forget_default_reads(&self) {
        self.0.iter().for_each(|recorder| recorder.forget_default_reads());
    }

    /// Waits until the objects have settled and resolves unknown outcomes. Then checks every history against the
    /// responses to callers and against the records in the store.
    ///
    /// # Panics
    /// If a history violates a guarantee.
    pub async fn check_history(&self, cluster: &Cluster) -> Totals {
        let took = self.settle(cluster).await;
        let running = cluster.nodes().iter().filter(|node| node.is_running());
        let clients: Vec<_> = running.map(|node| Client::new(&node.url())).collect();
        for (number, recorder) in self.0.iter().enumerate() {
            let client = &clients[number % clients.len()];
            for key in recorder.unknown_keys() {
                let _ = recorder.change(client, Some(&key)).await;
            }
        }
        for (index, chunk) in self.0.chunks(AT_ONCE).enumerate() {
            let client = &clients[index % clients.len()];
            join_all(chunk.iter().map(|recorder| recorder.audit(client))).await;
        }
        for recorder in self.0.iter() {
            recorder.audit_record(cluster.record(recorder.object()).await.as_deref());
        }
        let totals = self.totals();
        eprintln!("{} objects, settled after {took:?}: {totals:?}", self.0.len());
        totals
    }
}

async fn settle_one(recorder: &Recorder, clients: &[Client], begun: Instant) {
    for (turn, client) in clients.iter().enumerate() {
        let mut attempts = 0;
        let answered = async {
            loop {
                attempts += 1;
                let outcome = match turn % 2 {
                    0 => recorder.change(client, None).await,
                    _ => recorder.read(client).await,
                };
                if matches!(outcome, Outcome::Done(_)) {
                    return;
                }
                sleep(PAUSE).await;
            }
        };
        let left = SETTLED.saturating_sub(begun.elapsed()).max(Duration::from_secs(5));
        let object = recorder.object();
        assert!(
            timeout(left, answered).await.is_ok(),
            "{object} did not recover; the last of {attempts} attempts: {:?}",
            recorder.calls().last()
        );
    }
}
