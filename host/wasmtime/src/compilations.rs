//! Compilation metrics of an engine, which creates them itself because it exists before its node.
//! Loading cached code counts as no compilation.

use highlander_core::engine::compile_queue::CompileClass;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts};

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
    /// The client of the upload had left.
    Abandoned,
}

/// Compilation metrics. Clones share the same counters.
#[derive(Debug, Clone)]
pub struct Compilations {
    by_outcome: IntCounterVec,
    /// Seconds per compilation, whatever its outcome.
    pub seconds: Histogram,
    waiting: IntGaugeVec,
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
        let waiting = Opts::new("highlander_compilations_waiting", "Components that wait.");
        let waiting = IntGaugeVec::new(waiting, &["class"]);
        let metrics = Self {
            by_outcome: by_outcome.expect("the names of metrics are valid"),
            seconds: Histogram::with_opts(seconds).expect("the names of metrics are valid"),
            waiting: waiting.expect("the names of metrics are valid"),
        };
        for class in CompileClass::ALL {
            metrics.set_waiting(class, 0);
        }
        metrics
    }

    /// Counts one compilation.
    pub fn count(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Abandoned => "abandoned",
        };
        self.by_outcome.with_label_values(&[outcome]).inc();
    }

    /// Sets the number of components of a class that wait.
    pub(crate) fn set_waiting(&self, class: CompileClass, count: usize) {
        let gauge = self.waiting.with_label_values(&[class.as_str()]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Returns the metrics, for registration.
    #[must_use]
    pub fn collectors(&self) -> [Box<dyn Collector>; 3] {
        let Self { by_outcome, seconds, waiting } = self.clone();
        [Box::new(by_outcome), Box::new(seconds), Box::new(waiting)]
    }
}

impl Default for Compilations {
    fn default() -> Self {
        Self::new()
    }
}
