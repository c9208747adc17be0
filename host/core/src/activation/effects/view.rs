//! JSON view of an object's alarms and messages, for wake-up replies and for operators. The record uses a different
//! format.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::effects::{Alarm, Message};
use crate::id::Hex;
use crate::store::record::effects::{DurableEffects, WakeupEntry};

/// Reply to a wake-up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WakeResult {
    /// Alarm that fired, if one was due. More alarms may be due.
    pub fired: Option<String>,
    /// Marks of the index entries that the object may still need.
    pub nonces: Vec<String>,
}

/// View for operators.
#[derive(Debug, Serialize)]
pub struct EffectsView<'a> {
    alarms: Vec<AlarmView<'a>>,
    failed_alarms: Vec<AlarmView<'a>>,
    pending: Vec<MessageView<'a>>,
    dead: Vec<MessageView<'a>>,
}

#[derive(Debug, Serialize)]
struct AlarmView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    name: &'a str,
    due_ms: u64,
    every_ms: Option<u64>,
    handler: &'a str,
    argument: Option<&'a RawValue>,
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct MessageView<'a> {
    number: u64,
    to: &'a str,
    handler: &'a str,
    argument: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_ms: Option<u64>,
}

/// Returns the reply to a wake-up.
pub(in crate::activation) fn woken(
    given: Option<&str>,
    wakes: impl Iterator<Item = WakeupEntry>,
) -> Bytes {
    let marks = wakes.map(|wake| Hex(&wake.nonce.0).to_string()).collect();
    json(&WakeResult { fired: given.map(ToOwned::to_owned), nonces: marks })
}

/// Returns the view for operators.
pub(in crate::activation) fn shown(effects: Option<&DurableEffects>) -> Bytes {
    let none = DurableEffects::default();
    let effects = effects.unwrap_or(&none);
    let alarms = effects.alarms.iter().flat_map(|alarms| alarms.iter());
    let alarms = alarms.map(shown_alarm);
    let failed = effects.failed.iter().map(|failed| AlarmView {
        number: Some(failed.number),
        time_ms: Some(failed.time_ms),
        ..shown_alarm(&failed.alarm)
    });
    let pending = effects.outbox.iter().map(|pending| MessageView {
        tries: Some(pending.tries),
        ..message(pending.number, &pending.message)
    });
    let dead = effects.dead.iter().map(|letter| MessageView {
        why: Some(&letter.why),
        time_ms: Some(letter.time_ms),
        ..message(letter.number, &letter.message)
    });
    json(&EffectsView {
        alarms: alarms.collect(),
        failed_alarms: failed.collect(),
        pending: pending.collect(),
        dead: dead.collect(),
    })
}

fn shown_alarm(alarm: &Alarm) -> AlarmView<'_> {
    AlarmView {
        number: None,
        name: &alarm.name,
        due_ms: alarm.due_ms,
        every_ms: alarm.every_ms,
        handler: &alarm.handler,
        argument: serde_json::from_slice(&alarm.argument).ok(),
        tries: alarm.tries,
        why: alarm.failure.as_deref(),
        time_ms: None,
    }
}

fn message(number: u64, message: &Message) -> MessageView<'_> {
    MessageView {
        number,
        to: message.to.as_str(),
        handler: &message.handler,
        argument: serde_json::from_slice(&message.argument).ok(),
        tries: None,
        why: None,
        time_ms: None,
    }
}

fn json(document: &impl Serialize) -> Bytes {
    // Names, numbers and arguments already validated as JSON can always be serialized.
    serde_json::to_vec(document).unwrap_or_default().into()
}
