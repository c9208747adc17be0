//! Logging: lines go to standard error, as text or JSON, filtered by `HIGHLANDER_LOG` or `RUST_LOG`.
//!
//! Logging is set up once per process. Metrics are in `metrics.rs`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

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

/// Sets up logging for the whole process. A second call has no effect.
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
    // Fails if a logger is already set up, as in tests.
    drop(done);
}
