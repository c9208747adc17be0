//! Logging: lines go to standard error, as text or JSON, filtered by `HIGHLANDER_LOG` or `RUST_LOG`.
//!
//! A thread of its own writes the lines ([`line_queue`]). Logging is set up once per process. Metrics are in
//! `metrics.rs`.

mod line_queue;

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus::core::Collector;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use line_queue::LineQueue;

/// Maximum time for which the end of the process waits for its last lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Lines of this process that are not written yet.
static LINES: OnceLock<LineQueue> = OnceLock::new();

/// Log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Plain text, for people.
    #[default]
    Text,
    /// One JSON document per line.
    Json,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json".to_owned()),
        }
    }
}

/// Guard of the log: when it is dropped, the lines so far are written.
#[derive(Debug)]
#[must_use = "the last lines of the process are lost without the guard"]
pub struct LogGuard {
    _private: (),
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        if let Some(lines) = LINES.get() {
            lines.flush(FLUSH_TIMEOUT);
        }
    }
}

/// Returns the metrics of the log, for registration.
#[must_use]
pub fn collectors() -> Vec<Box<dyn Collector>> {
    vec![Box::new(LINES.get_or_init(LineQueue::new).dropped())]
}

/// Sets up logging for the whole process. A second call has no effect.
pub fn init(format: Format) -> LogGuard {
    let directives =
        ["HIGHLANDER_LOG", "RUST_LOG"].iter().filter_map(|name| std::env::var(name).ok());
    let directives = directives.into_iter().find(|directives| !directives.is_empty());
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(directives.unwrap_or_default());
    let has_colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::io::stderr().is_terminal();
    let queue = LINES.get_or_init(LineQueue::new).clone();
    let writer = match queue.start(std::io::stderr()) {
        Ok(()) => BoxMakeWriter::new(queue),
        // Lines that delay a worker are better than none.
        Err(_) => BoxMakeWriter::new(std::io::stderr),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(has_colors)
        .with_target(false);
    let done = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().try_init(),
    };
    // Fails if a logger is already set up, as in tests.
    drop(done);
    LogGuard { _private: () }
}
