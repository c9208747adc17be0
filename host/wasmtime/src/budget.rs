//! Processor time of a call, and the lane for long calls.
//!
//! A guest pauses at each tick. Ticks count wall time, which a busy machine stretches. So only the first slice is
//! charged by ticks, as one tick; later slices are charged by the thread's own processor time between two pauses.
//! After its first slice, a guest needs a permit of the long lane to continue, and returns it at each pause.
//! However many guests loop, worker threads remain free for short calls.

use std::sync::Arc;
use std::time::Duration;

use highlander_system::clock;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::UpdateDeadline;

use super::config::TICK;
use super::ticker::Ticker;

/// Ticks until the first pause of a call. With a single tick, a call that begins just before a tick would pause.
pub(super) const FIRST_SLICE_TICKS: u64 = 2;

/// The call exceeded its processor time.
#[derive(Debug, thiserror::Error)]
#[error("the processor time is exhausted")]
pub(super) struct CpuSpent;

/// Limit and consumption of one instance's calls.
#[derive(Debug)]
pub(super) struct Budget {
    max: Duration,
    spent: Duration,
    lane: Arc<Semaphore>,
    slice: Arc<Mutex<Slice>>,
    ticker: Ticker,
}

/// State of the current slice, from the second one on.
#[derive(Debug, Default)]
struct Slice {
    /// Processor time of the thread when the slice began; `None` in the first slice.
    began: Option<Duration>,
    place: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(super) fn new(max: Duration, lane: Arc<Semaphore>, ticker: Ticker) -> Self {
        Self { max, spent: Duration::ZERO, lane, slice: Arc::default(), ticker }
    }

    /// Starts a call. The guard releases the lane permit, even if the call is dropped midway.
    pub(super) fn begin_call(&mut self) -> LaneGuard {
        self.spent = Duration::ZERO;
        self.ticker.guest_runs();
        LaneGuard(Arc::clone(&self.slice))
    }

    /// Returns the time limit of a call.
    pub(super) fn max(&self) -> Duration {
        self.max
    }

    /// Suspends the guest while it waits for another object. Charges the time since the slice began, except for a
    /// first slice, which no tick has ended. Releases the lane permit.
    pub(super) fn suspend(&mut self) -> Result<(), CpuSpent> {
        let mut slice = self.slice.lock();
        slice.place = None;
        let used = slice.began.take().map(|began| clock::thread_cpu().saturating_sub(began));
        drop(slice);
        self.spent += used.unwrap_or_default();
        if self.spent >= self.max { Err(CpuSpent) } else { Ok(()) }
    }

    /// Resumes the guest, possibly on another thread, in a slice that is measured from here.
    pub(super) fn resume(&mut self) {
        self.ticker.guest_runs();
        self.slice.lock().began = Some(clock::thread_cpu());
    }

    /// Handles a tick: charges the slice that ends, and pauses the guest.
    pub(super) fn tick(&mut self) -> Result<UpdateDeadline, CpuSpent> {
        self.ticker.guest_runs();
        let mut slice = self.slice.lock();
        let used = slice.began.map_or(TICK, |began| clock::thread_cpu().saturating_sub(began));
        slice.place = None;
        drop(slice);
        self.spent += used;
        if self.spent >= self.max {
            return Err(CpuSpent);
        }
        let (slice, lane) = (Arc::clone(&self.slice), Arc::clone(&self.lane));
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(pause(slice, lane))))
    }
}

/// Yields to other tasks, then waits for a lane permit.
async fn pause(slice: Arc<Mutex<Slice>>, lane: Arc<Semaphore>) {
    tokio::task::yield_now().await;
    // The lane is never closed. If it were, the guest would run without a permit.
    let place = lane.acquire_owned().await.ok();
    let mut slice = slice.lock();
    slice.place = place;
    slice.began = Some(clock::thread_cpu());
}

/// Releases the lane permit when a call ends in any way.
#[derive(Debug)]
pub(super) struct LaneGuard(Arc<Mutex<Slice>>);

impl Drop for LaneGuard {
    fn drop(&mut self) {
        *self.0.lock() = Slice::default();
    }
}
