//! Log lines of objects: quotas, and the summary of dropped lines once per second.
//!
//! Lines are data of untrusted code: they are escaped, and cut before and after that.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use highlander_core::id::ObjectId;
use highlander_core::log_quota::{LogQuotas, QuotaLevel};
use highlander_system::clock;
use parking_lot::Mutex;
use prometheus::{IntCounterVec, Opts};
use tokio::runtime::Handle;
use tracing::Level;

use super::text::{cut, escape};

/// Length limit for a line.
pub(super) const LINE_BYTES_MAX: usize = 8 * 1024;
/// Bytes that a line counts with at least: for its time and its object.
const LINE_BYTES_MIN: usize = 64;
/// Interval at which dropped lines are reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Log of all objects of an engine.
pub(super) struct GuestLog {
    quotas: Mutex<LogQuotas>,
    /// Whether a report of dropped lines is on its way.
    is_reporting: AtomicBool,
    dropped: IntCounterVec,
}

impl GuestLog {
    pub(super) fn new() -> Self {
        let dropped = Opts::new(
            "highlander_object_log_lines_dropped_total",
            "Log lines of objects over a quota.",
        );
        let dropped = IntCounterVec::new(dropped, &["quota"]);
        let dropped = dropped.expect("the names of metrics are valid");
        for level in QuotaLevel::ALL {
            dropped.with_label_values(&[level.as_str()]).reset();
        }
        Self { quotas: Mutex::default(), is_reporting: AtomicBool::new(false), dropped }
    }

    /// Returns the metric of dropped lines, for registration.
    pub(super) fn dropped(&self) -> IntCounterVec {
        self.dropped.clone()
    }

    /// Writes a line of an object, unless the filter or a quota drops it.
    pub(super) fn write(self: &Arc<Self>, id: &ObjectId, level: Level, line: &str) {
        if !is_enabled(level) {
            return;
        }
        let escaped = escape(cut(line, LINE_BYTES_MAX));
        let line = cut(&escaped, LINE_BYTES_MAX);
        let bytes = line.len().max(LINE_BYTES_MIN);
        if let Err(quota) = self.quotas.lock().admit(id, bytes, clock::now()) {
            return self.report_soon(quota, 1);
        }
        let object = id.as_str();
        match level {
            Level::ERROR => tracing::error!(target: "object", object, "{line}"),
            Level::WARN => tracing::warn!(target: "object", object, "{line}"),
            Level::INFO => tracing::info!(target: "object", object, "{line}"),
            _ => tracing::debug!(target: "object", object, "{line}"),
        }
    }

    /// Counts lines that exceeded the quota of one call.
    pub(super) fn count_dropped(self: &Arc<Self>, id: &ObjectId, count: u64) {
        self.quotas.lock().count_dropped(id.type_name(), count);
        self.report_soon(QuotaLevel::Call, count);
    }

    fn report_soon(self: &Arc<Self>, quota: QuotaLevel, count: u64) {
        self.dropped.with_label_values(&[quota.as_str()]).inc_by(count);
        if self.is_reporting.swap(true, Ordering::SeqCst) {
            return;
        }
        let log = Arc::clone(self);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(REPORT_EVERY).await;
                log.report();
            })),
            Err(_) => log.report(),
        }
    }

    fn report(&self) {
        self.is_reporting.store(false, Ordering::SeqCst);
        // Released before the report is written.
        let dropped = self.quotas.lock().take_dropped();
        if let Some(dropped) = dropped {
            let (dropped_count, types) = (dropped.count, dropped.types);
            tracing::warn!(dropped_count, types, "dropped log lines of objects");
        }
    }
}

impl fmt::Debug for GuestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestLog").finish_non_exhaustive()
    }
}

fn is_enabled(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: "object", Level::ERROR),
        Level::WARN => tracing::enabled!(target: "object", Level::WARN),
        Level::INFO => tracing::enabled!(target: "object", Level::INFO),
        _ => tracing::enabled!(target: "object", Level::DEBUG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is logged in unit tests, so that the report is taken from the quotas.
    #[tokio::test(start_paused = true)]
    async fn dropped_lines_are_counted_and_reported_once() {
        let log = Arc::new(GuestLog::new());
        let id = ObjectId::new("counter", "a").unwrap();
        log.count_dropped(&id, 3);
        log.count_dropped(&id, 4);
        assert!(log.is_reporting.load(Ordering::SeqCst));
        assert_eq!(log.dropped().with_label_values(&["call"]).get(), 7);
        tokio::time::sleep(2 * REPORT_EVERY).await;
        assert!(!log.is_reporting.load(Ordering::SeqCst));
        assert_eq!(log.quotas.lock().take_dropped(), None);
    }
}
