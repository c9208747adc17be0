//! Parsers for the values of arguments and options.
//!
//! A bad value is rejected before a request is sent, in the terms of the command line. A node would reject it in
//! terms of HTTP.

#[cfg(feature = "node")]
use std::net::SocketAddr;
use std::time::Duration;

use highlander_core::id::TypeName;
use highlander_core::limits::{CALL_TIMEOUT_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use humantime_serde::re::humantime;

/// Parses a positive number.
pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|count| *count > 0);
    number.ok_or_else(|| "expected a number, 1 or more".to_owned())
}

/// Parses the version of an object.
pub(super) fn version(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "expected a version, as printed by highlander get, such as 7".to_owned())
}

/// Parses the number of a revision.
pub(super) fn revision(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        "expected the number of a revision, as listed by highlander types TYPE".to_owned()
    })
}

/// Parses the name of a type.
pub(super) fn type_name(text: &str) -> Result<String, String> {
    let name = TypeName::new(text).map_err(|error| error.to_string())?;
    Ok(name.as_str().to_owned())
}

/// Parses a time. A negative one starts with a hyphen, as an option does.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    if text.starts_with('-') {
        return Err("expected a time with a unit, such as 5s".to_owned());
    }
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

/// Parses the timeout of a call.
pub(super) fn call_timeout(text: &str) -> Result<Duration, String> {
    let time = time(text)?;
    if time.is_zero() || time > CALL_TIMEOUT_MAX {
        let max = humantime::format_duration(CALL_TIMEOUT_MAX);
        return Err(format!("expected a time with a unit, up to {max}, such as 5s"));
    }
    Ok(time)
}

/// Parses an idempotency key.
pub(super) fn idempotency_key(text: &str) -> Result<String, String> {
    let is_key = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_key.then(|| text.to_owned()).ok_or_else(|| {
        format!("expected 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters without spaces")
    })
}

/// Parses an address to listen on.
#[cfg(feature = "node")]
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address and a port, such as 127.0.0.1:7410; port 0 selects a free one"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_value_is_rejected_with_the_expected_form() {
        for text in ["0s", "5m1s", "2h"] {
            assert!(call_timeout(text).unwrap_err().contains("up to 5m"), "{text}");
        }
        assert!(call_timeout("5").unwrap_err().contains("time unit needed"));
        assert_eq!(call_timeout("5m"), Ok(CALL_TIMEOUT_MAX));
        for text in ["", "a b", "ä", &"x".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1)] {
            assert!(idempotency_key(text).unwrap_err().contains("visible ASCII"), "{text}");
        }
        assert_eq!(idempotency_key("k-1"), Ok("k-1".to_owned()));
        for text in ["", "x", "-1", "1.5"] {
            assert!(version(text).unwrap_err().contains("highlander get"), "{text}");
            assert!(revision(text).unwrap_err().contains("highlander types"), "{text}");
        }
        assert!(revision("0").is_err() && version("0") == Ok(0));
        for text in ["x", "127.0.0.1", "localhost:7410", "7410"] {
            assert!(listen(text).unwrap_err().contains("127.0.0.1:7410"), "{text}");
        }
    }
}
