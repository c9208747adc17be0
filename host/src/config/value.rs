//! Reads single values: sizes and times with units, numbers, addresses.
//!
//! Each function says what would have been right, and never falls back on a guess.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use humantime_serde::re::humantime;

/// A size with unit.
///
/// # Errors
/// What it should look like.
pub fn size(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let show = |bytes: &usize| ByteSize(*bytes as u64).to_string();
    let wanted =
        || format!("a size with a unit, from {} to {}", show(range.start()), show(range.end()));
    // The crate would take a bare number for bytes.
    if !text.ends_with(|last: char| last.is_ascii_alphabetic()) {
        return Err(format!("{text:?} has no unit: it takes {}, like 64MiB", wanted()));
    }
    let parsed = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.0).ok());
    parsed
        .filter(|bytes| range.contains(bytes))
        .ok_or_else(|| format!("{text:?} is not {}", wanted()))
}

/// A time with unit.
///
/// # Errors
/// What it should look like.
pub fn time(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let show = |time: &Duration| humantime::format_duration(*time).to_string();
    let parsed = humantime::parse_duration(text).ok();
    parsed.filter(|time| range.contains(time)).ok_or_else(|| {
        let (from, to) = (show(range.start()), show(range.end()));
        format!("{text:?} is not a time with a unit, from {from} to {to}, like 30s")
    })
}

/// A number without unit.
///
/// # Errors
/// What it should look like.
pub fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        format!("{text:?} is not a number from {} to {}", range.start(), range.end())
    })
}

/// Yes or no.
///
/// # Errors
/// What it should look like.
pub fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
}

/// An IP address and a port.
///
/// # Errors
/// What it should look like.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not an IP address and a port, like 127.0.0.1:7410"))
}

/// A host, by name or address, and a port.
///
/// # Errors
/// What it should look like.
pub fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let is_valid = parts.is_some_and(|(host, port)| {
        !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte))
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not a host and a port, like 10.0.0.5:7410"))
    }
}

/// Some text.
///
/// # Errors
/// Where it is empty.
pub fn not_empty(text: &str) -> Result<&str, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
}

/// The one kind of an adapter that this build has.
///
/// # Errors
/// For every other one.
pub fn only(text: &str, port: &str, kind: &str) -> Result<(), String> {
    if text == kind {
        return Ok(());
    }
    Err(format!("{text:?} is not available: this build has the {port} {kind:?} only"))
}
