//! The thread that makes running guests pause.
//!
//! It raises the engine's tick counter every [`TICK`] while guests run, and every [`IDLE_TICK`] otherwise. If it
//! misses the start of a guest, it returns to the full rate at the next idle tick.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::EngineWeak;

use super::config::TICK;

/// Interval while no guest runs.
const IDLE_TICK: Duration = Duration::from_millis(50);
/// Number of ticks without a guest after which the rate is reduced.
const IDLE_AFTER_TICKS: u32 = 50;

/// Signals to the ticker that a guest runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Ticker {
    signal: Arc<Signal>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Signal {
    /// Whether a guest ran since the last tick.
    seen: AtomicBool,
    idle: AtomicBool,
}

impl Ticker {
    /// Starts the thread, which ends when the engine is dropped.
    pub(super) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let signal = Arc::new(Signal::default());
        let for_thread = Arc::clone(&signal);
        let handle = std::thread::Builder::new()
            .name("ticker".to_owned())
            .spawn(move || tick(&engine, &for_thread))?;
        Ok(Self { signal, thread: handle.thread().clone() })
    }

    /// Must be called whenever a guest begins or continues after a tick.
    ///
    /// It usually only reads the flag, so that cores do not contend for its cache line.
    pub(super) fn guest_runs(&self) {
        if !self.signal.seen.load(Ordering::Relaxed) {
            self.signal.seen.store(true, Ordering::Relaxed);
            if self.signal.idle.load(Ordering::Relaxed) {
                self.thread.unpark();
            }
        }
    }
}

fn tick(engine: &EngineWeak, signal: &Signal) {
    let mut idle_ticks = 0_u32;
    loop {
        let is_idle = idle_ticks >= IDLE_AFTER_TICKS;
        signal.idle.store(is_idle, Ordering::Relaxed);
        std::thread::park_timeout(if is_idle { IDLE_TICK } else { TICK });
        let Some(engine) = engine.upgrade() else {
            return;
        };
        engine.increment_epoch();
        if signal.seen.swap(false, Ordering::Relaxed) {
            idle_ticks = 0;
        } else {
            idle_ticks = idle_ticks.saturating_add(1);
        }
    }
}
