//! Pump: starts background work in the order of its [`Turns`], and more slowly while calls of clients wait.
//!
//! A pump is one entry in the runtime's queue, however much work waits for it. It polls each piece of work once, which
//! is the part that needs the processor. Work that then waits, for a commit or for another node, goes on as a task.
//! Waiting work therefore costs places, and no turns.

use std::fmt::{self, Debug, Formatter};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use highlander_core::background::pace::Pace;
use highlander_core::background::turns::Turns;
use highlander_core::clock::BootTime;
use highlander_system::clock;
use parking_lot::Mutex;
use tokio::runtime::Handle;

type Work = BoxFuture<'static, ()>;

/// Starts one kind of background work.
pub struct Pump {
    state: Mutex<State>,
    processors: u32,
}

struct State {
    turns: Turns<Work>,
    pace: Pace,
    /// When the last turn began.
    began: BootTime,
    /// Tasks that start work: none if nothing can start, at most one for each processor.
    tasks: u32,
}

impl Pump {
    /// Creates a pump whose started work holds at most this number of places at once.
    #[must_use]
    pub fn new(places: usize) -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (turns, pace, began) = (Turns::new(places), Pace::default(), clock::now());
        let state = Mutex::new(State { turns, pace, began, tasks: 0 });
        Arc::new(Self { state, processors: u32::try_from(processors).unwrap_or(u32::MAX) })
    }

    /// Adds work on behalf of an object type. It starts when the type has its turn.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn add(self: &Arc<Self>, type_name: &str, work: impl Future<Output = ()> + Send + 'static) {
        let work = Box::pin(work);
        self.state.lock().turns.push(type_name, work);
        self.resume();
    }

    /// Returns the number of pieces of work that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state.lock().turns.waiting()
    }

    /// Starts another task if work can start and a processor may be free for it.
    fn resume(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut state = self.state.lock();
        if state.tasks < self.processors && state.turns.can_start() {
            state.tasks += 1;
            drop(state);
            runtime.spawn(run(Task { pump: Arc::clone(self), is_counted: true }));
        }
    }

    /// Begins a turn, and returns the time that may be spent in it.
    fn begin_turn(&self, waited: Duration, now: BootTime) -> Duration {
        let mut state = self.state.lock();
        let passed = now.since(state.began);
        state.began = now;
        state.pace.begin(waited, passed, self.processors)
    }

    fn end_turn(&self, spent: Duration) {
        self.state.lock().pace.end(spent);
    }
}

impl Debug for Pump {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

/// Task of a pump.
struct Task {
    pump: Arc<Pump>,
    is_counted: bool,
}

impl Task {
    /// Returns the work that starts next. If there is none, the task no longer counts: the next work needs another.
    fn next(&mut self) -> Option<(Place, Work)> {
        let mut state = self.pump.state.lock();
        let Some((type_name, work)) = state.turns.start() else {
            state.tasks -= 1;
            self.is_counted = false;
            return None;
        };
        Some((Place { pump: Arc::clone(&self.pump), type_name }, work))
    }
}

/// A task also ends if the work that it polls panics, or with the runtime.
impl Drop for Task {
    fn drop(&mut self) {
        if self.is_counted {
            self.pump.state.lock().tasks -= 1;
        }
        // A runtime that shuts down drops a new task at once.
        if std::thread::panicking() {
            self.pump.resume();
        }
    }
}

async fn run(mut task: Task) {
    let mut has_work = true;
    while has_work {
        let queued = clock::now();
        tokio::task::yield_now().await;
        let began = clock::now();
        let allowance = task.pump.begin_turn(began.since(queued), began);
        let mut spent = Duration::ZERO;
        while has_work && spent < allowance {
            match task.next() {
                Some((place, work)) => start(place, work).await,
                None => has_work = false,
            }
            spent = clock::now().since(began);
        }
        task.pump.end_turn(spent);
    }
}

/// Polls the work once, and leaves the rest to a task.
async fn start(place: Place, mut work: Work) {
    if futures_util::poll!(&mut work).is_pending() {
        tokio::spawn(async move {
            work.await;
            drop(place);
        });
    }
}

/// Place of started work; free when this is dropped.
struct Place {
    pump: Arc<Pump>,
    type_name: Arc<str>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pump.state.lock().turns.end(&self.type_name);
        self.pump.resume();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    #[tokio::test]
    async fn all_work_is_done_with_no_more_than_the_places_in_use() {
        let pump = Pump::new(8);
        let in_use = Arc::new(AtomicUsize::new(0));
        let (done, mut ended) = mpsc::channel(1_000);
        for number in 0..1_000 {
            let (in_use, done) = (Arc::clone(&in_use), done.clone());
            let type_name = ["a", "b", "c"][number % 3];
            pump.add(type_name, async move {
                let before = in_use.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                in_use.fetch_sub(1, Ordering::SeqCst);
                done.try_send((number, before)).unwrap();
            });
        }
        let mut numbers = Vec::new();
        while numbers.len() < 1_000 {
            let (number, before) = ended.recv().await.unwrap();
            assert!(before < 8, "{before}");
            numbers.push(number);
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
        assert_eq!(pump.waiting(), 0);
    }

    #[tokio::test]
    async fn a_type_whose_work_never_ends_leaves_places_to_others() {
        let pump = Pump::new(8);
        for _ in 0..100 {
            pump.add("stuck", std::future::pending());
        }
        let done = Arc::new(Semaphore::new(0));
        for _ in 0..100 {
            let done = Arc::clone(&done);
            pump.add("other", async move { done.add_permits(1) });
        }
        let _all = done.acquire_many(100).await.unwrap();
        assert_eq!(pump.waiting(), 96, "half of the places are in use");
    }

    #[tokio::test]
    async fn work_that_panics_takes_nothing_along() {
        let pump = Pump::new(2);
        let done = Arc::new(Semaphore::new(0));
        for number in 0..20 {
            let done = Arc::clone(&done);
            pump.add("a", async move {
                assert!(number % 2 == 1, "every other one fails");
                done.add_permits(1);
            });
        }
        let _all = done.acquire_many(10).await.unwrap();
    }
}
