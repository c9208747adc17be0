//! Callers of many objects through all nodes of a cluster, who go on whatever happens.
//!
//! Each has random numbers of its own, from the printed seed of its test: which object, which node, and whether it
//! changes or reads, with a key or without. What comes of the calls is kept by the objects' recorders.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, interval_at, sleep};

use super::Cluster;
use super::member::Member;
use super::objects::Objects;
use crate::client::Client;
use crate::history::Outcome;
use crate::history::recorder::Recorder;

/// After a call that was not done: what a client does that wants to be answered, and not to make things worse.
const PAUSE: Duration = Duration::from_millis(20);

/// How callers call.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How many there are.
    pub callers: usize,
    /// Through which nodes.
    pub through: Vec<usize>,
    /// How long each waits between two calls, where there is no rate.
    pub pause: Duration,
    /// How many calls they begin in a second, all together, as long as answers come fast enough.
    pub rate: Option<u32>,
    /// Whether changes have keys and are repeated until they are done.
    pub is_patient: bool,
}

impl Manner {
    /// Callers through all nodes of a cluster, who take what they are told.
    #[must_use]
    pub fn of(cluster: &Cluster, callers: usize) -> Self {
        let through = (0..cluster.nodes().len()).collect();
        Self { callers, through, pause: Duration::from_millis(2), rate: None, is_patient: false }
    }

    /// The same, but everything is repeated under a key until it is done.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { is_patient: true, ..self }
    }

    /// The same through these nodes only.
    #[must_use]
    pub fn through(self, nodes: &[usize]) -> Self {
        Self { through: nodes.to_vec(), ..self }
    }

    /// The same with another pause between two calls.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// The same at a rate, in calls a second of all callers together. What they are late with they make up for.
    #[must_use]
    pub fn rate(self, calls_per_second: u32) -> Self {
        Self { rate: Some(calls_per_second), ..self }
    }

    /// When a caller begins its calls: evenly, and not all callers at once.
    fn beat(&self, number: usize) -> Option<Interval> {
        let callers = u32::try_from(self.callers).expect("some callers");
        let every = Duration::from_secs(1) * callers / self.rate?;
        let first = every * u32::try_from(number).expect("one of them") / callers;
        Some(interval_at(Instant::now() + first, every))
    }
}

/// What patient callers met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Met {
    /// Attempts that were not done.
    pub failed: u64,
    /// Changes that were not done after all attempts.
    pub given_up: u64,
    /// The longest that one change took, with all its attempts.
    pub longest: Duration,
}

/// Callers at work.
#[derive(Debug)]
pub struct Load {
    callers: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    members: Vec<Arc<Member>>,
    http: Client,
    objects: Objects,
    manner: Manner,
    /// Part of all keys.
    name: u64,
    is_over: AtomicBool,
    failed_count: AtomicU64,
    given_up_count: AtomicU64,
    longest_ms: AtomicU64,
}

impl Load {
    /// Begins. The callers end when they are told so.
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

    /// Lets every caller end its present call, and says what they met.
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
            if self.shared.manner.is_patient {
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

    /// One call, whatever comes of it.
    async fn call(&mut self, recorder: &Recorder, turn: u64) -> Outcome {
        let client = self.client();
        match self.random.random_range(0..10) {
            0..3 => recorder.read(&client).await,
            3 => recorder.read_strictly(&client).await,
            4..7 => recorder.change(&client, None).await,
            _ => recorder.change(&client, Some(&self.key(turn))).await,
        }
    }

    /// One change, again and again through other nodes until it is done.
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
            if took > crate::wait::PATIENCE {
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
