//! Processor time of a call, and its pauses.
//!
//! A guest pauses at each tick. Ticks count wall time, which a busy machine stretches. So only the first slice is
//! charged by ticks, as one tick; later slices are charged by the thread's own processor time between two pauses.
//! At its first pause, a call that can move asks to go on on a guest thread, so that the thread of a request is free
//! for others.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use highlander_system::{clock, guest_thread};
use parking_lot::Mutex;
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
    slice: Arc<Mutex<Slice>>,
    ticker: Ticker,
}

/// State of the current slice, from the second one on.
#[derive(Debug, Default)]
struct Slice {
    /// Processor time of the thread when the slice began; `None` in the first slice.
    began: Option<Duration>,
}

impl Budget {
    pub(super) fn new(max: Duration, ticker: Ticker) -> Self {
        Self { max, spent: Duration::ZERO, slice: Arc::default(), ticker }
    }

    /// Starts a call, in its first slice.
    pub(super) fn begin_call(&mut self) {
        self.spent = Duration::ZERO;
        self.slice.lock().began = None;
        self.ticker.guest_runs();
    }

    /// Returns the time limit of a call.
    pub(super) fn max(&self) -> Duration {
        self.max
    }

    /// Suspends the guest while it waits for another object. Charges the time since the slice began, except for a
    /// first slice, which no tick has ended.
    pub(super) fn suspend(&mut self) -> Result<(), CpuSpent> {
        let began = self.slice.lock().began.take();
        let used = began.map(|began| clock::thread_cpu().saturating_sub(began));
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
        let began = self.slice.lock().began;
        let used = began.map_or(TICK, |began| clock::thread_cpu().saturating_sub(began));
        self.spent += used;
        if self.spent >= self.max {
            return Err(CpuSpent);
        }
        let slice = Arc::clone(&self.slice);
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(pause(slice))))
    }
}

/// Lets others run. A call that can move goes on on a guest thread.
async fn pause(slice: Arc<Mutex<Slice>>) {
    let mut has_moved = false;
    poll_fn(|_| {
        // The driver of the call polls it again after the move.
        let must_move = guest_thread::request_move();
        has_moved |= must_move;
        if must_move { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    if !has_moved {
        tokio::task::yield_now().await;
    }
    slice.lock().began = Some(clock::thread_cpu());
}
