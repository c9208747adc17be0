//! Load generators that call many objects through all nodes of a cluster, and continue through failures.
//!
//! Each caller has a separate random generator, seeded from the printed seed of its test. It selects the object,
//! the node, an update or a query, and whether the call has a key. The objects' recorders keep the outcomes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, interval_at, sleep};

use super::Cluster;
use super::node_process::NodeProcess;
use super::objects::Objects;
use crate::client::Client;
use crate::history::Outcome;
use crate::history::recorder::Recorder;

/// Backoff after a failed call, as a considerate client would use.
const PAUSE: Duration = Duration::from_millis(20);

/// Calling pattern of a load.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Number of callers.
    pub callers: usize,
    /// Nodes that receive the calls.
    pub through: Vec<usize>,
    /// Pause of each caller between two calls, if there is no rate.
    pub pause: Duration,
    /// Calls per second of all callers together, if responses are fast enough.
    pub rate: Option<u32>,
    /// Whether updates have keys and are repeated until they succeed.
    pub has_long_timeout: bool,
}

impl Manner {
    /// Creates a pattern of callers through all nodes of a cluster that do not retry.
    #[must_use]
    pub fn of(cluster: &Cluster, callers: usize) -> Self {
        let through = (0..cluster.nodes().len()).collect();
        Self {
            callers,
            through,
            pause: Duration::from_millis(2),
            rate: None,
            has_long_timeout: false,
        }
    }

    /// Repeats each call under an idempotency key until it succeeds.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { has_long_timeout: true, ..self }
    }

    /// Restricts the calls to these nodes.
    #[must_use]
    pub fn through(self, nodes: &[usize]) -> Self {
        Self { through: nodes.to_vec(), ..self }
    }

    /// Sets the pause between two calls.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Sets a rate, in calls per second of all callers together. Callers that fall behind catch up.
    #[must_use]
    pub fn rate(self, calls_per_second: u32) -> Self {
        Self { rate: Some(calls_per_second), ..self }
    }

    /// Returns the schedule of a caller's calls, evenly spaced and staggered between callers.
    fn beat(&self, number: usize) -> Option<Interval> {
        let callers = u32::try_from(self.callers).expect("few callers");
        let every = Duration::from_secs(1) * callers / self.rate?;
        let first = every * u32::try_from(number).expect("few callers") / callers;
        Some(interval_at(Instant::now() + first, every))
    }
}

/// Failures and delays that patient callers observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met {
    /// Failed attempts.
    pub failed: u64,
    /// Updates that did not succeed after all attempts.
    pub given_up: u64,
    /// Longest duration of one update, including all its attempts.
    pub longest: Duration,
}

/// A running load.
#[derive(Debug)]
pub struct Load {
    callers: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    members: Vec<Arc<NodeProcess>>,
    http: Client,
    objects: Objects,
    manner: Manner,
    /// Random part of all idempotency keys.
    name: u64,
    is_over: AtomicBool,
    failed_count: AtomicU64,
    given_up_count: AtomicU64,
    longest_ms: AtomicU64,
}

impl Load {
    /// Starts the callers, which run until [`Load::stop`].
    #[must_use]
    pub fn start(
        cluster: &Cluster,
        objects: &Objects,
        manner: Manner,
        random: &mut StdRng,
    ) -> Self {
        let shared = Arc::new(Shared {
            members: manner.through.iter().map(|node| Arc::clone(cluster.node(*node))).collect(),
            http: Client::new(""),
            objects: objects.clone(),
            manner,
            name: random.random(),
            is_over: AtomicBool::new(false),
            failed_count: AtomicU64::new(0),
            given_up_count: AtomicU64::new(0),
            longest_ms: AtomicU64::new(0),
        });
        let mut callers = JoinSet::new();
        for number in 0..shared.manner.callers {
            let random = StdRng::seed_from_u64(random.random());
            let caller = Caller { shared: Arc::clone(&shared), number, random };
            callers.spawn(caller.go_on());
        }
        Self { callers, shared }
    }

    /// Lets every caller finish its current call, and returns the failures and delays that they observed.
    pub async fn stop(mut self) -> Met {
        self.shared.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        Met {
            failed: self.shared.failed_count.load(Ordering::Relaxed),
            given_up: self.shared.given_up_count.load(Ordering::Relaxed),
            longest: Duration::from_millis(self.shared.longest_ms.load(Ordering::Relaxed)),
        }
    }
}

struct Caller {
    shared: Arc<Shared>,
    number: usize,
    random: StdRng,
}

impl Caller {
    async fn go_on(mut self) {
        let mut beat = self.shared.manner.beat(self.number);
        for turn in 0_u64.. {
            if self.shared.is_over.load(Ordering::Relaxed) {
                return;
            }
            let recorders = self.shared.objects.recorders();
            let recorder = Arc::clone(&recorders[self.random.random_range(0..recorders.len())]);
            if self.shared.manner.has_long_timeout {
                self.insist(&recorder, turn).await;
            } else {
                let outcome = self.call(&recorder, turn).await;
                self.rest_after(outcome).await;
            }
            match &mut beat {
                Some(beat) => drop(beat.tick().await),
                None => sleep(self.shared.manner.pause).await,
            }
        }
    }

    /// Makes one call without retries.
    async fn call(&mut self, recorder: &Recorder, turn: u64) -> Outcome {
        let client = self.client();
        match self.random.random_range(0..10) {
            0..3 => recorder.read(&client).await,
            3 => recorder.read_strictly(&client).await,
            4..7 => recorder.change(&client, None).await,
            _ => recorder.change(&client, Some(&self.key(turn))).await,
        }
    }

    /// Repeats one update through other nodes until it succeeds.
    async fn insist(&mut self, recorder: &Recorder, turn: u64) {
        let (key, begun) = (self.key(turn), Instant::now());
        loop {
            let client = self.client();
            let outcome = recorder.change(&client, Some(&key)).await;
            let took = begun.elapsed();
            if matches!(outcome, Outcome::Done(_)) {
                let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                self.shared.longest_ms.fetch_max(milliseconds, Ordering::Relaxed);
                return;
            }
            if took > crate::wait::TIMEOUT {
                self.shared.given_up_count.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.rest_after(outcome).await;
        }
    }

    async fn rest_after(&self, outcome: Outcome) {
        if !matches!(outcome, Outcome::Done(_)) {
            self.shared.failed_count.fetch_add(1, Ordering::Relaxed);
            sleep(PAUSE).await;
        }
    }

    fn client(&mut self) -> Client {
        let members = &self.shared.members;
        let running: Vec<_> = members.iter().filter(|member| member.is_running()).collect();
        let choice = if running.is_empty() { members.iter().collect() } else { running };
        self.shared.http.at(&choice[self.random.random_range(0..choice.len())].url())
    }

    fn key(&self, turn: u64) -> String {
        format!("{:x}-{}-{turn}", self.shared.name, self.number)
    }
}
