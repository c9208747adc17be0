//! Host state of one instance, inside its `wasmtime::Store`.
//!
//! Text from guests is untrusted: control characters are escaped before it is used.

use std::sync::Arc;

use highlander_core::id::ObjectId;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};

use super::bindings::highlander::object::log::Level;
use super::budget::Budget;
use super::effects::EffectCollector;
use super::guest_log::{GuestLog, LINE_BYTES_MAX};
use super::memory::Memory;
use super::text::{cut, escape};

/// Log volume that a guest may write within one call.
const LOG_CALL_BYTES_MAX: usize = 64 * 1024;
/// Amount of a guest's last output that is kept, because it may contain the message of a panic.
const LAST_WORDS_BYTES_MAX: usize = 1024;

/// Host state of one instance.
#[derive(Debug)]
pub(super) struct HostState {
    pub(super) memory: Memory,
    pub(super) budget: Budget,
    /// `None` before the first `restore`.
    pub(super) object: Option<ObjectId>,
    /// Time of the call, in milliseconds since 1970; 0 outside of `handle`.
    pub(super) now_ms: u64,
    /// Effects that the handler has requested in this call.
    pub(super) effects: EffectCollector,
    log: Arc<GuestLog>,
    log_of_call: LogQuota,
    /// End of what the guest wrote to standard error within the call.
    last_words: Vec<u8>,
    /// Created on demand, because most guests never use randomness.
    random: Option<Box<StdRng>>,
}

#[derive(Debug, Default)]
struct LogQuota {
    bytes: usize,
    dropped_count: u64,
}

impl HostState {
    pub(super) fn new(memory: Memory, budget: Budget, log: Arc<GuestLog>) -> Self {
        Self {
            memory,
            budget,
            object: None,
            now_ms: 0,
            effects: EffectCollector::default(),
            log,
            log_of_call: LogQuota::default(),
            last_words: Vec::new(),
            random: None,
        }
    }

    /// Resets the state of the previous call, and sets the time of the next one.
    pub(super) fn begin_call(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.memory.begin_call();
        self.log_of_call = LogQuota::default();
        self.last_words.clear();
        self.effects = EffectCollector::default();
    }

    /// Writes one line of the guest's log, within its quotas. Nothing is written before the guest is an object.
    pub(super) fn write_log(&mut self, level: Level, message: &str) {
        let line = cut(message, LINE_BYTES_MAX);
        if matches!(level, Level::Error) {
            // A panic hook logs this way.
            self.last_words.clear();
            self.say(line.as_bytes());
        }
        if self.log_of_call.bytes + line.len() > LOG_CALL_BYTES_MAX {
            self.log_of_call.dropped_count += 1;
            return;
        }
        // An empty line counts too.
        self.log_of_call.bytes += line.len().max(16);
        let level = match level {
            Level::Debug => tracing::Level::DEBUG,
            Level::Info => tracing::Level::INFO,
            Level::Warn => tracing::Level::WARN,
            Level::Error => tracing::Level::ERROR,
        };
        if let Some(object) = &self.object {
            self.log.write(object, level, line);
        }
    }

    /// After a call, counts the lines that exceeded its quota.
    pub(super) fn end_call(&mut self) {
        let dropped_count = std::mem::take(&mut self.log_of_call.dropped_count);
        if let Some(object) = self.object.as_ref().filter(|_| dropped_count > 0) {
            self.log.count_dropped(object, dropped_count);
        }
    }

    /// Keeps the end of the guest's standard error or error log.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        let tail = bytes.len().saturating_sub(LAST_WORDS_BYTES_MAX);
        self.last_words.extend_from_slice(bytes.get(tail..).unwrap_or_default());
        let excess = self.last_words.len().saturating_sub(LAST_WORDS_BYTES_MAX);
        self.last_words.drain(..excess);
    }

    /// Returns the guest's last output within this call, as one line.
    pub(super) fn last_words(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.last_words);
        // Rust adds a note about an environment variable that a guest cannot have.
        let text = text.split("\nnote: ").next().unwrap_or_default();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (!line.is_empty()).then(|| escape(&line).into_owned())
    }

    /// Returns this instance's random number generator, which the system's generator seeds.
    pub(super) fn random(&mut self) -> wasmtime::Result<&mut impl Rng> {
        if self.random.is_none() {
            let seeded = StdRng::try_from_rng(&mut SysRng);
            self.random = Some(Box::new(seeded.map_err(wasmtime::Error::new)?));
        }
        Ok(self.random.as_mut().expect("seeded above"))
    }
}
