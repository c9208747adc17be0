//! Host state of one instance, inside its `wasmtime::Store`.
//!
//! Text from guests is untrusted: control characters are escaped before it is used.

use std::borrow::Cow;
use std::fmt::Write as _;

use highlander_core::id::ObjectId;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};

use super::bindings::highlander::object::log::Level;
use super::budget::Budget;
use super::effects::EffectCollector;
use super::memory::Memory;

/// Length limit for a line of a guest's log.
const LOG_LINE_BYTES_MAX: usize = 8 * 1024;
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
    log: LogQuota,
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
    pub(super) fn new(memory: Memory, budget: Budget) -> Self {
        Self {
            memory,
            budget,
            object: None,
            now_ms: 0,
            effects: EffectCollector::default(),
            log: LogQuota::default(),
            last_words: Vec::new(),
            random: None,
        }
    }

    /// Resets the state of the previous call, and sets the time of the next one.
    pub(super) fn begin_call(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.memory.begin_call();
        self.log = LogQuota::default();
        self.last_words.clear();
        self.effects = EffectCollector::default();
    }

    /// Writes one line of the guest's log, within its quota.
    pub(super) fn write_log(&mut self, level: Level, message: &str) {
        let line = cut(message, LOG_LINE_BYTES_MAX);
        if matches!(level, Level::Error) {
            // A panic hook logs this way.
            self.last_words.clear();
            self.say(line.as_bytes());
        }
        if self.log.bytes + line.len() > LOG_CALL_BYTES_MAX {
            self.log.dropped_count += 1;
            return;
        }
        // An empty line counts too.
        self.log.bytes += line.len().max(16);
        let (line, object) = (escape(line), self.object_name());
        match level {
            Level::Debug => tracing::debug!(target: "object", object, "{line}"),
            Level::Info => tracing::info!(target: "object", object, "{line}"),
            Level::Warn => tracing::warn!(target: "object", object, "{line}"),
            Level::Error => tracing::error!(target: "object", object, "{line}"),
        }
    }

    /// After a call, logs how many lines were dropped, if any.
    pub(super) fn end_call(&mut self) {
        let dropped_count = std::mem::take(&mut self.log.dropped_count);
        if dropped_count > 0 {
            let object = self.object_name();
            tracing::warn!(target: "object", object, dropped_count, "dropped log lines of the call");
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

    fn object_name(&self) -> &str {
        self.object.as_ref().map_or("", ObjectId::as_str)
    }
}

/// Returns at most the first `bytes_max` bytes of `text`, without splitting a character.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Escapes control characters, so that no guest can control a terminal or forge a log line.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            let _ = write!(escaped, "{}", character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Whether the character is a control character or changes the direction of the surrounding text.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_guests_cannot_steer_a_terminal_or_forge_a_line() {
        for (text, shown) in [
            ("plain, äöü, 漢字 and \u{1f600}", "plain, äöü, 漢字 and \u{1f600}"),
            ("red \u{1b}[31m", "red \\u{1b}[31m"),
            ("one\nERROR two\r", "one\\nERROR two\\r"),
            ("\u{202e}gnp.exe\u{9b}\0", "\\u{202e}gnp.exe\\u{9b}\\u{0}"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn text_is_cut_between_two_characters() {
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("ä", 0), "");
    }
}
