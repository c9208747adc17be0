//! Where log lines go: standard error, as text or as JSON, filtered by `HIGHLANDER_LOG` or `RUST_LOG`.
//!
//! Nothing is set up twice, and nothing here counts anything: that is `metrics.rs`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document a line.
    Json,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("a log format is text or json".to_owned()),
        }
    }
}

/// Sets up logging for the whole process. A second call changes nothing.
pub fn init(format: Format) {
    let directives =
        ["HIGHLANDER_LOG", "RUST_LOG"].iter().filter_map(|name| std::env::var(name).ok());
    let directives = directives.into_iter().find(|directives| !directives.is_empty());
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse_lossy(directives.unwrap_or_default());
    let has_colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(has_colors)
        .with_target(false);
    let done = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().try_init(),
    };
    // Another one is set up already, as in tests.
    drop(done);
}
