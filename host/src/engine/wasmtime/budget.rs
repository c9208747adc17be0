//! The processor time of a call, and the lane for calls that take long.
//!
//! A guest pauses at each tick. The ticks count wall time, which a busy machine stretches, so only the first slice
//! is charged by them, with one tick; from then on the thread's own processor time is measured between two pauses.
//! After its first slice a guest needs a place in the long lane to go on, and gives it back at each pause: however
//! many guests loop, worker threads stay free for calls that are short.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::UpdateDeadline;

use super::config::TICK;
use super::ticker::Ticker;
use crate::clock;

/// Ticks until the first pause of a call: with one, a call that happens to begin just before a tick would pause.
pub(super) const FIRST_SLICE_TICKS: u64 = 2;

/// The processor time of the call was used up.
#[derive(Debug, thiserror::Error)]
#[error("the processor time is used up")]
pub(super) struct CpuSpent;

/// What one instance's calls may use and have used.
#[derive(Debug)]
pub(super) struct Budget {
    max: Duration,
    spent: Duration,
    lane: Arc<Semaphore>,
    slice: Arc<Mutex<Slice>>,
    ticker: Ticker,
}

/// What is known of the slice that runs, from its second one on.
#[derive(Debug, Default)]
struct Slice {
    /// The thread's processor time when it went on. None in the first slice.
    began: Option<Duration>,
    place: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(super) fn new(max: Duration, lane: Arc<Semaphore>, ticker: Ticker) -> Self {
        Self { max, spent: Duration::ZERO, lane, slice: Arc::default(), ticker }
    }

    /// The next call begins. The guard gives its place in the lane back, also where the call is dropped midway.
    pub(super) fn begin_call(&mut self) -> LaneGuard {
        self.spent = Duration::ZERO;
        self.ticker.guest_runs();
        LaneGuard(Arc::clone(&self.slice))
    }

    /// The time that a call may use.
    pub(super) fn max(&self) -> Duration {
        self.max
    }

    /// The guest is about to wait for another object. What it has used is charged, but for a first slice, which no
    /// tick has ended; its place in the lane is free for others.
    pub(super) fn suspend(&mut self) -> Result<(), CpuSpent> {
        let mut slice = lock(&self.slice);
        slice.place = None;
        let used = slice.began.take().map(|began| clock::thread_cpu().saturating_sub(began));
        drop(slice);
        self.spent += used.unwrap_or_default();
        if self.spent >= self.max { Err(CpuSpent) } else { Ok(()) }
    }

    /// The guest goes on, perhaps on another thread, with a slice that is measured from here.
    pub(super) fn resume(&mut self) {
        self.ticker.guest_runs();
        lock(&self.slice).began = Some(clock::thread_cpu());
    }

    /// A tick: charges the slice that ends, and pauses the guest.
    pub(super) fn tick(&mut self) -> Result<UpdateDeadline, CpuSpent> {
        self.ticker.guest_runs();
        let mut slice = lock(&self.slice);
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

/// Lets others run, then waits for a place in the lane.
async fn pause(slice: Arc<Mutex<Slice>>, lane: Arc<Semaphore>) {
    tokio::task::yield_now().await;
    // The lane is never closed; a guest that found it closed would run without a place.
    let place = lane.acquire_owned().await.ok();
    let mut slice = lock(&slice);
    slice.place = place;
    slice.began = Some(clock::thread_cpu());
}

/// Frees the place in the lane when a call ends, in whatever way.
#[derive(Debug)]
pub(super) struct LaneGuard(Arc<Mutex<Slice>>);

impl Drop for LaneGuard {
    fn drop(&mut self) {
        *lock(&self.0) = Slice::default();
    }
}

fn lock(slice: &Mutex<Slice>) -> std::sync::MutexGuard<'_, Slice> {
    slice.lock().unwrap_or_else(PoisonError::into_inner)
}
