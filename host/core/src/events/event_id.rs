//! Position of an event in its object's history: the id that subscribers see and resume from.
//!
//! The end of a version has an id too, carried by `changed` and `reset`. It follows all events of the version. A
//! subscriber that has seen it can resume at any owner, even one that no longer holds the version's events.

use std::fmt;
use std::str::FromStr;

/// Id of an event: `V.N` for the N-th event that version V published, `V` for the end of version V.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    version: u64,
    /// Counted from 1. The end of a version sorts after all of its events.
    index: u32,
}

/// Error for a text that is not an event id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid event id; expected a version, or a version and a number like 7.2")]
pub struct NoEventId(String);

impl EventId {
    /// Creates the id of the `index`-th event of a version, counted from 1.
    #[must_use]
    pub const fn within(version: u64, index: u32) -> Self {
        Self { version, index }
    }

    /// Creates the id of the end of a version.
    #[must_use]
    pub const fn end_of(version: u64) -> Self {
        Self { version, index: u32::MAX }
    }

    /// Returns the version of the event or the end.
    #[must_use]
    pub const fn version(self) -> u64 {
        self.version
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            u32::MAX => write!(f, "{}", self.version),
            index => write!(f, "{}.{index}", self.version),
        }
    }
}

impl FromStr for EventId {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let read = || {
            let (version, index) = match text.split_once('.') {
                Some((version, index)) => (version, Some(index)),
                None => (text, None),
            };
            if !digits(version) || !index.is_none_or(digits) {
                return None;
            }
            let version = version.parse().ok()?;
            let Some(index) = index else { return Some(Self::end_of(version)) };
            let index = index.parse().ok().filter(|index| (1..u32::MAX).contains(index))?;
            Some(Self::within(version, index))
        };
        read().ok_or_else(|| NoEventId(text.chars().take(50).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_were_written_and_in_order() {
        let texts = ["0", "1.1", "1.2", "1.10", "1", "2.1", "18446744073709551615"];
        let read: Vec<EventId> = texts.iter().map(|text| text.parse().unwrap()).collect();
        assert!(read.is_sorted(), "{read:?}");
        let written: Vec<_> = read.iter().map(ToString::to_string).collect();
        assert_eq!(written, texts);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for bad in ["", ".", "1.", ".1", "+1", "1.0", "1.4294967295", "1.2.3", "-1", "1 ", "x"] {
            assert!(bad.parse::<EventId>().is_err(), "{bad:?}");
        }
    }
}
