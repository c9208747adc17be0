//! Parsers for single values: sizes and times with units, numbers, names, addresses.
//!
//! Each error states the expected form; no parser guesses.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use highlander_core::caller::call_policy::TypeSet;
use highlander_core::registry::claims::Granularity;
use humantime_serde::re::humantime;

/// Maximum number of partitions; more would not help to distribute objects over a few hundred nodes, and would
/// only add claims.
const PARTITIONS_MAX: u32 = 16_384;
/// Maximum length of a node name: long enough for a host name, short enough for a path and a header.
const NAME_CHARS_MAX: usize = 40;
/// Maximum length of a prefix, which leaves room for type and key within S3's limit of 1,024 bytes.
const PREFIX_BYTES_MAX: usize = 128;

/// Parses a size with a unit.
///
/// # Errors
/// A description of the expected form.
pub fn size(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let show = |bytes: &usize| ByteSize(*bytes as u64).to_string();
    let wanted =
        || format!("a size with a unit, from {} to {}", show(range.start()), show(range.end()));
    // `ByteSize` would accept a bare number as bytes.
    if !text.ends_with(|last: char| last.is_ascii_alphabetic()) {
        return Err(format!("{text:?} has no unit; expected {}, such as 64MiB", wanted()));
    }
    let parsed = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.0).ok());
    let bytes = parsed.ok_or_else(|| format!("{text:?} is not {}", wanted()))?;
    within(text, bytes, &range, show)
}

/// Checks that the value is in its range; the error names the bound that the value exceeds.
fn within<T: PartialOrd>(
    text: &str,
    value: T,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if value > *range.end() {
        return Err(format!("{text} is more than the {} allowed", show(range.end())));
    }
    if value < *range.start() {
        return Err(format!("{text} is less than the {} required", show(range.start())));
    }
    Ok(value)
}

/// Parses a time with a unit.
///
/// # Errors
/// A description of the expected form.
pub fn time(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let show = |time: &Duration| humantime::format_duration(*time).to_string();
    let parsed = humantime::parse_duration(text).map_err(|_| {
        let (from, to) = (show(range.start()), show(range.end()));
        format!("{text:?} is not a time with a unit, from {from} to {to}, such as 30s")
    });
    within(text, parsed?, &range, show)
}

/// Parses a number without a unit.
///
/// # Errors
/// A description of the expected form.
pub fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let not_a_number =
        || format!("{text:?} is not a number from {} to {}", range.start(), range.end());
    let number: u64 = text.parse().map_err(|_| not_a_number())?;
    let whole = u64::from(*range.start())..=u64::from(*range.end());
    let number = within(text, number, &whole, u64::to_string)?;
    u32::try_from(number).map_err(|_| not_a_number())
}

/// Parses `true` or `false`.
///
/// # Errors
/// A description of the expected form.
pub fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
}

/// Parses an IP address with a port.
///
/// # Errors
/// A description of the expected form.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not an IP address with a port, such as 127.0.0.1:7410"))
}

/// Parses a host name or address with a port.
///
/// # Errors
/// A description of the expected form.
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
        Err(format!("{text:?} is not a host with a port, such as 10.0.0.5:7410"))
    }
}

/// Accepts any text that is not empty.
///
/// # Errors
/// The text is empty.
pub fn not_empty(text: &str) -> Result<&str, String> {
    if text.is_empty() { Err("the value is empty".to_owned()) } else { Ok(text) }
}

/// Parses a path.
///
/// # Errors
/// The text is empty.
pub fn path(text: &str) -> Result<PathBuf, String> {
    not_empty(text).map(PathBuf::from)
}

/// Parses one of several words, each of which maps to a value.
///
/// # Errors
/// The list of words.
pub fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("{text:?} is not valid; expected {}", known.join(" or "))
    })
}

/// Parses the claim granularity: `object`, or `partitions = 4096`.
///
/// # Errors
/// A description of the expected form.
pub fn granularity(text: &str) -> Result<Granularity, String> {
    if text == "object" {
        return Ok(Granularity::Object);
    }
    let count = text.split_once('=').filter(|(name, _)| name.trim() == "partitions");
    let count = count.and_then(|(_, count)| count.trim().parse().ok());
    count.filter(|count| (1..=PARTITIONS_MAX).contains(count)).map(Granularity::Partitions).ok_or_else(
        || {
            format!(
                "{text:?} is neither \"object\" nor partitions = N with N from 1 to {PARTITIONS_MAX}"
            )
        },
    )
}

/// Parses names of object types with commas between them, or `*`. An empty text has no types.
///
/// # Errors
/// A description of the expected form.
pub fn types(text: &str) -> Result<TypeSet, String> {
    let names = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
    TypeSet::try_from(names.collect::<Vec<_>>())
        .map_err(|why| format!("{text:?} is not valid; expected names of types, or *: {why}"))
}

/// Parses a node name.
///
/// # Errors
/// A description of the expected form.
pub fn name(text: &str) -> Result<String, String> {
    if !text.is_empty() && fitting_name(text) == text {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is not a valid name; expected 1 to {NAME_CHARS_MAX} letters, digits and -"
    ))
}

/// Converts `text` to a valid node name by removing all other characters.
#[must_use]
pub fn fitting_name(text: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let name: String = text.trim().chars().filter(fits).take(NAME_CHARS_MAX).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}

/// Parses an ensemble: servers with ports, and a chroot.
///
/// # Errors
/// A description of the expected form.
pub fn ensemble(text: &str) -> Result<String, String> {
    let (servers, chroot) = match text.find('/') {
        Some(index) => text.split_at(index),
        None => (text, ""),
    };
    if let Some(wrong) = servers.split(',').find(|server| host_and_port(server).is_err()) {
        return Err(format!(
            "{wrong:?} in {text:?} is not a host with a port; expected the form zk1:2181,zk2:2181/highlander"
        ));
    }
    let mut steps = chroot.split('/').skip(1);
    let is_step = |step: &str| {
        let is_plain =
            step.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        is_plain && !matches!(step, "" | "." | "..")
    };
    if chroot.is_empty() || steps.all(is_step) {
        return Ok(text.to_owned());
    }
    Err(format!("{chroot:?} is not a valid chroot; expected a path such as /highlander"))
}

/// Parses a bucket name.
///
/// # Errors
/// A description of the expected form.
pub fn bucket(text: &str) -> Result<String, String> {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if (3..=63).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is not a valid bucket name; expected 3 to 63 of a-z, 0-9, - and ."))
}

/// Parses a prefix for blob names, which has no slash at either end.
///
/// # Errors
/// A description of the expected form.
pub fn prefix(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_step = |step: &str| !matches!(step, "" | "." | "..") && step.bytes().all(is_plain);
    if text.len() <= PREFIX_BYTES_MAX && text.split('/').all(is_step) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is not a valid prefix; expected names of letters, digits, -, _ and ., \
         with / between them, at most {PREFIX_BYTES_MAX} bytes"
    ))
}

/// Parses an HTTP or HTTPS endpoint.
///
/// # Errors
/// A description of the expected form.
pub fn endpoint(text: &str) -> Result<String, String> {
    let url = text.parse::<http::Uri>().ok().filter(|url| {
        let is_http = matches!(url.scheme_str(), Some("http" | "https"));
        let is_plain = url.authority().is_some_and(|host| !host.as_str().contains('@'));
        is_http && is_plain && url.query().is_none()
    });
    // The rejected text may contain a password, so the error does not repeat it.
    url.map(|_| text.trim_end_matches('/').to_owned()).ok_or_else(|| {
        "not a valid endpoint; expected a URL without user, password and query, such as http://127.0.0.1:9000"
            .to_owned()
    })
}
