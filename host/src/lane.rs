//! The lane: guest threads, and the calls that wait for them in the order of their shares.
//!
//! A call runs one slice at a time, which is one poll of its future. Between two slices it waits behind those that
//! `highlander_core::schedule` puts before it. Timers and wakers of the node's runtime work on guest threads; work for
//! other objects must be spawned, because it would run at the priority of guests and in the slice of the running call.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use async_task::{Builder, FallibleTask, Runnable, ScheduleInfo, WithInfo};
use highlander_core::clock::BootTime;
use highlander_core::schedule::bucket::Bucket;
use highlander_core::schedule::place::node_bucket;
use highlander_core::schedule::shares::{Payer, Shares, Turn};
use highlander_system::{clock, guest_thread};
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use crate::metrics::Metrics;

/// Maximum number of waiting calls with which new ones are accepted.
pub const PLACES: usize = 2048;

/// A call in the lane. Dropping it cancels the call: a guest thread then drops its future. Its output is `None` if the
/// call panicked.
pub type LaneTask<T> = FallibleTask<T, Arc<Payer>>;

type Call = Runnable<Arc<Payer>>;

thread_local! {
    /// Call that goes on at once after the slice that this thread has run.
    static AGAIN: Cell<Option<Call>> = const { Cell::new(None) };
}

/// Too many calls wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFull;

/// Guest threads, which end when it is dropped and no call waits.
#[derive(Debug)]
pub struct Lane {
    queue: Arc<Queue>,
    /// Credit of all types for calls that run in their caller's task.
    pub(crate) inline_credit: Bucket,
}

#[derive(Debug)]
struct Queue {
    waiting: Mutex<WaitingCalls>,
    filled: Condvar,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct WaitingCalls {
    shares: Shares<(Call, BootTime)>,
    is_closed: bool,
}

/// Returns the number of cores that this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

impl Lane {
    /// Starts this many guest threads, or one for each core.
    ///
    /// # Panics
    /// Called outside of a tokio runtime, or the system allows no more threads.
    #[must_use]
    pub fn start(threads: Option<usize>, metrics: Arc<Metrics>) -> Self {
        let queue = Arc::new(Queue { waiting: Mutex::default(), filled: Condvar::new(), metrics });
        let runtime = Handle::current();
        for number in 0..threads.unwrap_or_else(cores).max(1) {
            let (queue, runtime) = (Arc::clone(&queue), runtime.clone());
            let work = move || {
                let _entered = runtime.enter();
                queue.work();
            };
            let started = thread::Builder::new().name(format!("guest-{number}")).spawn(work);
            started.expect("the system allows another thread");
        }
        Self { queue, inline_credit: node_bucket(cores()) }
    }

    /// Adds a new call, if there is a place for it.
    ///
    /// # Errors
    /// [`LaneFull`].
    pub fn spawn<T: Send + 'static>(
        &self,
        payer: Arc<Payer>,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<LaneTask<T>, LaneFull> {
        let len = self.queue.waiting.lock().shares.len();
        if len >= PLACES { Err(LaneFull) } else { Ok(self.admit(payer, call)) }
    }

    /// Adds a call that has begun elsewhere, or whose number is bounded elsewhere.
    pub fn admit<T: Send + 'static>(
        &self,
        payer: Arc<Payer>,
        call: impl Future<Output = T> + Send + 'static,
    ) -> LaneTask<T> {
        let queue = Arc::clone(&self.queue);
        let schedule = move |call: Call, info: ScheduleInfo| {
            if info.woken_while_running {
                // The thread that ran the slice is the one that reports this.
                AGAIN.set(Some(call));
            } else {
                queue.put(call);
            }
        };
        let builder = Builder::new().metadata(payer);
        let (runnable, task) = builder.spawn(move |_| call, WithInfo(schedule));
        runnable.schedule();
        task.fallible()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.queue.waiting.lock().is_closed = true;
        self.queue.filled.notify_all();
    }
}

impl Queue {
    fn put(&self, call: Call) {
        let payer = Arc::clone(call.metadata());
        let mut waiting = self.waiting.lock();
        waiting.shares.put(payer, (call, clock::now()));
        self.show(&waiting);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Waits for the next call; `None` if there will be none.
    fn next(&self) -> Option<(Call, Turn)> {
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(((call, since), turn)) = waiting.shares.take() {
                self.show(&waiting);
                drop(waiting);
                self.metrics.guests.wait_seconds.observe(clock::now().since(since).as_secs_f64());
                return Some((call, turn));
            }
            if waiting.is_closed {
                return None;
            }
            self.filled.wait(&mut waiting);
        }
    }

    fn show(&self, waiting: &WaitingCalls) {
        let len = waiting.shares.len();
        self.metrics.guests.waiting.set(i64::try_from(len).unwrap_or(i64::MAX));
    }

    /// Runs slices on this thread until no more calls can come.
    fn work(&self) {
        guest_thread::enter();
        while let Some((call, turn)) = self.next() {
            let began = clock::thread_cpu();
            // After a panic, the task that waits for the call gets `None`.
            let _ = catch_unwind(AssertUnwindSafe(|| call.run()));
            let used = clock::thread_cpu().saturating_sub(began);
            self.metrics.guests.seconds_lane.inc_by(used.as_secs_f64());
            let again = AGAIN.take().map(|call| (call, clock::now()));
            let mut waiting = self.waiting.lock();
            waiting.shares.finish(turn, used, again);
            self.show(&waiting);
        }
    }
}
