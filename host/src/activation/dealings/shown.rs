//! JSON view of an object's alarms and messages, for wake-up replies and for operators. The record uses a different
//! format.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::effects::{Alarm, Message};
use crate::id::Hex;
use crate::store::record::dealings::{Dealings, Wake};

/// Reply to a wake-up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Woken {
    /// Alarm that fired, if one was due. More alarms may be due.
    pub given: Option<String>,
    /// Marks of the index entries that the object may still need.
    pub marks: Vec<String>,
}

/// View for operators.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    alarms: Vec<ShownAlarm<'a>>,
    failed_alarms: Vec<ShownAlarm<'a>>,
    pending: Vec<ShownMessage<'a>>,
    dead: Vec<ShownMessage<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownAlarm<'a> {
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
struct ShownMessage<'a> {
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
    wakes: impl Iterator<Item = Wake>,
) -> Bytes {
    let marks = wakes.map(|wake| Hex(&wake.mark.0).to_string()).collect();
    json(&Woken { given: given.map(ToOwned::to_owned), marks })
}

/// Returns the view for operators.
pub(in crate::activation) fn shown(dealings: Option<&Dealings>) -> Bytes {
    let none = Dealings::default();
    let dealings = dealings.unwrap_or(&none);
    let alarms = dealings.alarms.iter().flat_map(|alarms| alarms.iter());
    let alarms = alarms.map(shown_alarm);
    let failed = dealings.failed.iter().map(|failed| ShownAlarm {
        number: Some(failed.number),
        time_ms: Some(failed.time_ms),
        ..shown_alarm(&failed.alarm)
    });
    let pending = dealings.outbox.iter().map(|pending| ShownMessage {
        tries: Some(pending.tries),
        ..message(pending.number, &pending.message)
    });
    let dead = dealings.dead.iter().map(|letter| ShownMessage {
        why: Some(&letter.why),
        time_ms: Some(letter.time_ms),
        ..message(letter.number, &letter.message)
    });
    json(&Shown {
        alarms: alarms.collect(),
        failed_alarms: failed.collect(),
        pending: pending.collect(),
        dead: dead.collect(),
    })
}

fn shown_alarm(alarm: &Alarm) -> ShownAlarm<'_> {
    ShownAlarm {
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

fn message(number: u64, message: &Message) -> ShownMessage<'_> {
    ShownMessage {
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
