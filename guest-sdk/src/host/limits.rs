//! Limits of the WIT world on the effects of a call, so that a test fails if a node would reject them.
//!
//! The limit on undelivered messages is missing, because the operator configures it.

use super::effects::Effects;
use crate::error::EffectError;

const MESSAGES_MAX: usize = 256;
const MESSAGE_BYTES_MAX: usize = 64 << 10;
const EVENTS_MAX: usize = 64;
const EVENT_BYTES_MAX: usize = 256 << 10;
const ALARMS_MAX: usize = 64;
const ALARM_BYTES_MAX: usize = 16 << 10;
const ALARM_EVERY_MS_MIN: u64 = 1_000;

/// Event names reserved for the host.
const EVENTS_RESERVED: [&str; 3] = ["changed", "reset", "closed"];

/// Checks that one more message may be sent.
pub(super) fn message(effects: &Effects, argument: &[u8]) -> Result<(), EffectError> {
    at_most(argument.len(), MESSAGE_BYTES_MAX, "bytes in a message")?;
    at_most(effects.messages.len() + 1, MESSAGES_MAX, "messages in one call")
}

/// Checks that one more event may be published.
pub(super) fn event(effects: &Effects, name: &str, data: &[u8]) -> Result<(), EffectError> {
    if !is_event_name(name) {
        return Err(EffectError::Invalid(format!("`{name}` is not a valid event name")));
    }
    if EVENTS_RESERVED.contains(&name) {
        return Err(EffectError::Invalid(format!(
            "the event name `{name}` is reserved for the host"
        )));
    }
    at_most(effects.event_bytes + data.len(), EVENT_BYTES_MAX, "bytes of events in one call")?;
    at_most(effects.events.len() + 1, EVENTS_MAX, "events in one call")
}

/// Checks that the alarm may be set.
pub(super) fn alarm(
    effects: &Effects,
    name: &str,
    every_ms: Option<u64>,
    argument: &[u8],
) -> Result<(), EffectError> {
    alarm_name(name)?;
    if every_ms.is_some_and(|every_ms| every_ms < ALARM_EVERY_MS_MIN) {
        return Err(EffectError::Invalid("an alarm can repeat at most once per second".to_owned()));
    }
    at_most(argument.len(), ALARM_BYTES_MAX, "bytes in an alarm")?;
    let count = effects.alarms.len() + usize::from(!effects.alarms.contains_key(name));
    at_most(count, ALARMS_MAX, "alarms")
}

/// Checks that `name` is a valid handler name.
pub(super) fn handler_name(name: &str) -> Result<(), EffectError> {
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if begins && name.len() <= 63 && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(EffectError::Invalid(format!("`{name}` is not a valid handler name")))
}

/// Checks that `name` is a valid alarm name.
pub(super) fn alarm_name(name: &str) -> Result<(), EffectError> {
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(EffectError::Invalid(format!("`{name}` is not a valid alarm name")))
}

/// `[a-z][a-z0-9-]{0,62}`.
fn is_event_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && name.bytes().all(is_allowed)
}

fn at_most(count: usize, max: usize, of_what: &str) -> Result<(), EffectError> {
    if count <= max {
        return Ok(());
    }
    Err(EffectError::TooMuch(format!("too many: at most {max} {of_what}")))
}
