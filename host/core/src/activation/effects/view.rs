//! JSON view of an object's alarms and messages, for wake-up replies and for operators. The record uses a different
//! format.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::effects::{Alarm, Message};
use crate::id::Hex;
use crate::store::record::effects::{DurableEffects, WakeupEntry};

/// Reply to a wake-up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WakeResult {
    /// Alarm that fired, if one was due. More alarms may be due.
    pub fired: Option<String>,
    /// Nonces of the index entries that the object may still need.
    pub nonces: Vec<String>,
}

/// Alarms and messages of an object.
// A client that prints the alarms and messages unchanged parses them later, and takes other parameters.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ObjectEffects"))]
pub struct EffectsView<A, M = A> {
    /// Scheduled alarms.
    pub alarms: Vec<A>,
    /// Alarms that were given up.
    pub failed_alarms: Vec<A>,
    /// Messages that are still to be delivered.
    pub pending: Vec<M>,
    /// Messages that were given up.
    pub dead: Vec<M>,
}

/// One alarm.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Alarm"))]
pub struct AlarmView<'a> {
    /// Number by which an alarm that was given up is retried or dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Name of the alarm.
    pub name: Cow<'a, str>,
    /// Time at which it is due, in milliseconds since 1970.
    pub due_ms: u64,
    /// Interval at which it repeats.
    pub every_ms: Option<u64>,
    /// Handler that it calls.
    pub handler: Cow<'a, str>,
    /// Argument of the handler.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub argument: Option<&'a RawValue>,
    /// Number of failed attempts.
    pub tries: u32,
    /// Reason of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Cow<'a, str>>,
    /// Time at which it was given up, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
}

/// One message.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Message"))]
pub struct MessageView<'a> {
    /// Number by which a message that was given up is retried or dropped.
    pub number: u64,
    /// Object that it is for.
    pub to: Cow<'a, str>,
    /// Handler that it calls.
    pub handler: Cow<'a, str>,
    /// Argument of the handler.
    #[serde(borrow)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub argument: Option<&'a RawValue>,
    /// Number of rejected attempts, if it is still to be delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// Reason why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Cow<'a, str>>,
    /// Time at which it was given up, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
}

impl WakeResult {
    /// Returns the result of a wake-up that fired this alarm or none, with the entries that may still be needed.
    pub(in crate::activation) fn new(
        fired: Option<&str>,
        entries: impl Iterator<Item = WakeupEntry>,
    ) -> Self {
        let nonces = entries.map(|entry| Hex(&entry.nonce.0).to_string()).collect();
        Self { fired: fired.map(ToOwned::to_owned), nonces }
    }
}

/// Returns the view for operators.
pub(in crate::activation) fn of(
    effects: &DurableEffects,
) -> EffectsView<AlarmView<'_>, MessageView<'_>> {
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
        why: Some(Cow::from(&*letter.why)),
        time_ms: Some(letter.time_ms),
        ..message(letter.number, &letter.message)
    });
    EffectsView {
        alarms: alarms.collect(),
        failed_alarms: failed.collect(),
        pending: pending.collect(),
        dead: dead.collect(),
    }
}

fn shown_alarm(alarm: &Alarm) -> AlarmView<'_> {
    AlarmView {
        number: None,
        name: Cow::from(&*alarm.name),
        due_ms: alarm.due_ms,
        every_ms: alarm.every_ms,
        handler: Cow::from(&*alarm.handler),
        argument: serde_json::from_slice(&alarm.argument).ok(),
        tries: alarm.tries,
        why: alarm.failure.as_deref().map(Cow::from),
        time_ms: None,
    }
}

fn message(number: u64, message: &Message) -> MessageView<'_> {
    MessageView {
        number,
        to: Cow::from(message.to.as_str()),
        handler: Cow::from(&*message.handler),
        argument: serde_json::from_slice(&message.argument).ok(),
        tries: None,
        why: None,
        time_ms: None,
    }
}
