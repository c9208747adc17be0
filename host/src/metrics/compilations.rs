//! What an engine counts of its compilations. An engine is there before its node, so it brings its counters along.
//! Loading code that was compiled before counts nothing.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounterVec};

use super::options;

/// Seconds, from 10 ms to 5 minutes.
const BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0];

/// How a compilation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With code.
    Done,
    /// The component cannot be compiled, or not within the limits.
    Refused,
    /// The compiler failed.
    Failed,
}

/// Counters of compilations. Clones share them.
#[derive(Debug, Clone)]
pub struct Compilations {
    by_outcome: IntCounterVec,
    /// Seconds of a compilation, however it ended.
    pub seconds: Histogram,
}

impl Compilations {
    /// Counters at zero.
    ///
    /// # Panics
    /// Never: the names are fixed and valid.
    #[must_use]
    pub fn new() -> Self {
        let by_outcome = options("compilations_total", "Components compiled.");
        let by_outcome = IntCounterVec::new(by_outcome, &["outcome"]);
        let seconds = options("compilation_seconds", "Of a compilation, however it ended.");
        let seconds = HistogramOpts::from(seconds).buckets(BUCKETS.to_vec());
        Self {
            by_outcome: by_outcome.expect("the names of metrics are valid"),
            seconds: Histogram::with_opts(seconds).expect("the names of metrics are valid"),
        }
    }

    /// Counts one that ended so.
    pub fn count(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        };
        self.by_outcome.with_label_values(&[outcome]).inc();
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 2] {
        [Box::new(self.by_outcome.clone()), Box::new(self.seconds.clone())]
    }
}

impl Default for Compilations {
    fn default() -> Self {
        Self::new()
    }
}
