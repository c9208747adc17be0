//! Compilation metrics of an engine, which creates them itself because it exists before its node.
//! Loading cached code counts as no compilation.

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts};

/// Bucket bounds in seconds, from 10 ms to 5 minutes.
const BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0];

/// Outcome of a compilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The compiler produced code.
    Done,
    /// The component cannot be compiled, or not within the limits.
    Refused,
    /// The compiler failed.
    Failed,
}

/// Compilation metrics. Clones share the same counters.
#[derive(Debug, Clone)]
pub struct Compilations {
    by_outcome: IntCounterVec,
    /// Seconds per compilation, whatever its outcome.
    pub seconds: Histogram,
}

impl Compilations {
    /// Creates the metrics with the value zero.
    ///
    /// # Panics
    /// Never: the names are fixed and valid.
    #[must_use]
    pub fn new() -> Self {
        let by_outcome = Opts::new("highlander_compilations_total", "Components compiled.");
        let by_outcome = IntCounterVec::new(by_outcome, &["outcome"]);
        let seconds = Opts::new("highlander_compilation_seconds", "Seconds per compilation.");
        let seconds = HistogramOpts::from(seconds).buckets(BUCKETS.to_vec());
        Self {
            by_outcome: by_outcome.expect("the names of metrics are valid"),
            seconds: Histogram::with_opts(seconds).expect("the names of metrics are valid"),
        }
    }

    /// Counts one compilation.
    pub fn count(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        };
        self.by_outcome.with_label_values(&[outcome]).inc();
    }

    /// Returns the metrics, for registration.
    #[must_use]
    pub fn collectors(&self) -> [Box<dyn Collector>; 2] {
        [Box::new(self.by_outcome.clone()), Box::new(self.seconds.clone())]
    }
}

impl Default for Compilations {
    fn default() -> Self {
        Self::new()
    }
}
