//! Encoding of the record field `effects` (durable effects), from format 2 on. Decoding rejects incomplete fields.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{DecodeError, damaged};
use crate::effects::{Alarm, Message};
use crate::id::{Hex, ObjectId, parse_hex};
use crate::store::record::WriteId;
use crate::store::record::effects::{
    DeadLetter, DurableEffects, FailedAlarm, Pending, Received, WakeupEntry,
};

/// Serialized form of the field. Unknown parts are rejected, so that rewriting a record never drops one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EffectsFields<'a> {
    #[serde(borrow)]
    alarms: Vec<AlarmFields<'a>>,
    /// Number, alarm, time.
    #[serde(borrow)]
    failed: Vec<(u64, AlarmFields<'a>, u64)>,
    failures: u64,
    sent: u64,
    #[serde(borrow)]
    outbox: Vec<PendingFields<'a>>,
    #[serde(borrow)]
    dead: Vec<DeadFields<'a>>,
    /// Sender, number, time.
    #[serde(borrow)]
    received: Vec<(Cow<'a, str>, u64, u64)>,
    /// Minute, nonce.
    #[serde(borrow)]
    wake: Option<(u64, Cow<'a, str>)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlarmFields<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    due_ms: u64,
    every_ms: Option<u64>,
    #[serde(borrow)]
    handler: Cow<'a, str>,
    #[serde(borrow)]
    argument: &'a RawValue,
    tries: u32,
    retry_ms: u64,
    #[serde(borrow)]
    failure: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingFields<'a> {
    number: u64,
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    handler: Cow<'a, str>,
    #[serde(borrow)]
    argument: &'a RawValue,
    tries: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadFields<'a> {
    number: u64,
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    handler: Cow<'a, str>,
    #[serde(borrow)]
    argument: &'a RawValue,
    #[serde(borrow)]
    why: Cow<'a, str>,
    time_ms: u64,
}

/// Returns the encoded value of the field.
pub(super) fn encode(effects: &DurableEffects) -> Vec<u8> {
    let alarms = effects.alarms.iter().flat_map(|alarms| alarms.iter());
    let fields = EffectsFields {
        alarms: alarms.map(AlarmFields::of).collect(),
        failed: effects
            .failed
            .iter()
            .map(|failed| (failed.number, AlarmFields::of(&failed.alarm), failed.time_ms))
            .collect(),
        failures: effects.failures,
        sent: effects.sent,
        outbox: effects.outbox.iter().map(PendingFields::of).collect(),
        dead: effects.dead.iter().map(DeadFields::of).collect(),
        received: effects
            .received
            .iter()
            .map(|last| (last.sender.as_str().into(), last.number, last.time_ms))
            .collect(),
        wake: effects.wake.map(|wake| (wake.minute, Hex(&wake.nonce.0).to_string().into())),
    };
    serde_json::to_vec(&fields).expect("writing to memory cannot fail")
}

impl EffectsFields<'_> {
    pub(super) fn to_effects(&self) -> Result<DurableEffects, DecodeError> {
        let alarms: Vec<_> = self.alarms.iter().map(AlarmFields::to_alarm).collect();
        if !alarms.is_sorted_by(|earlier, later| earlier.name < later.name) {
            return Err(damaged("its alarms are out of order"));
        }
        let received = self.received.iter().map(|(sender, number, time_ms)| {
            Ok(Received { sender: id(sender)?, number: *number, time_ms: *time_ms })
        });
        let wake = self.wake.as_ref().map(|(minute, mark)| {
            let mark =
                parse_hex(mark).ok_or_else(|| damaged("the mark of its wake is not valid"))?;
            Ok(WakeupEntry { minute: *minute, nonce: WriteId(mark) })
        });
        let effects = DurableEffects {
            alarms: (!alarms.is_empty()).then(|| alarms.into()),
            failed: self.failed.iter().map(failed_alarm).collect(),
            failures: self.failures,
            sent: self.sent,
            outbox: self.outbox.iter().map(PendingFields::to_pending).collect::<Result<_, _>>()?,
            dead: self.dead.iter().map(DeadFields::to_letter).collect::<Result<_, _>>()?,
            received: received.collect::<Result<_, DecodeError>>()?,
            wake: wake.transpose()?,
        };
        let numbers = effects.outbox.iter().map(|pending| pending.number);
        if !numbers.clone().is_sorted_by(|earlier, later| earlier < later)
            || numbers.last().is_some_and(|last| last > effects.sent)
        {
            return Err(damaged("its messages are out of order"));
        }
        let numbers = effects.failed.iter().map(|failed| failed.number);
        if !numbers.clone().is_sorted_by(|earlier, later| earlier < later)
            || numbers.last().is_some_and(|last| last > effects.failures)
        {
            return Err(damaged("its failed alarms are out of order"));
        }
        Ok(effects)
    }
}

impl<'a> AlarmFields<'a> {
    fn of(alarm: &'a Alarm) -> Self {
        Self {
            name: (&*alarm.name).into(),
            due_ms: alarm.due_ms,
            every_ms: alarm.every_ms,
            handler: (&*alarm.handler).into(),
            argument: raw(&alarm.argument),
            tries: alarm.tries,
            retry_ms: alarm.retry_ms,
            failure: alarm.failure.as_deref().map(Into::into),
        }
    }

    fn to_alarm(&self) -> Alarm {
        Alarm {
            name: self.name.as_ref().into(),
            due_ms: self.due_ms,
            every_ms: self.every_ms,
            handler: self.handler.as_ref().into(),
            argument: kept(self.argument),
            tries: self.tries,
            retry_ms: self.retry_ms,
            failure: self.failure.as_deref().map(Into::into),
        }
    }
}

impl<'a> PendingFields<'a> {
    fn of(pending: &'a Pending) -> Self {
        let Pending { number, message, tries } = pending;
        Self {
            number: *number,
            to: message.to.as_str().into(),
            handler: (&*message.handler).into(),
            argument: raw(&message.argument),
            tries: *tries,
        }
    }

    fn to_pending(&self) -> Result<Pending, DecodeError> {
        let message = message(&self.to, &self.handler, self.argument)?;
        Ok(Pending { number: self.number, message, tries: self.tries })
    }
}

impl<'a> DeadFields<'a> {
    fn of(letter: &'a DeadLetter) -> Self {
        let DeadLetter { number, message, why, time_ms } = letter;
        Self {
            number: *number,
            to: message.to.as_str().into(),
            handler: (&*message.handler).into(),
            argument: raw(&message.argument),
            why: (&**why).into(),
            time_ms: *time_ms,
        }
    }

    fn to_letter(&self) -> Result<DeadLetter, DecodeError> {
        let message = message(&self.to, &self.handler, self.argument)?;
        let why: Arc<str> = self.why.as_ref().into();
        Ok(DeadLetter { number: self.number, message, why, time_ms: self.time_ms })
    }
}

fn failed_alarm((number, alarm, time_ms): &(u64, AlarmFields<'_>, u64)) -> FailedAlarm {
    FailedAlarm { number: *number, alarm: alarm.to_alarm(), time_ms: *time_ms }
}

fn message(to: &str, handler: &str, argument: &RawValue) -> Result<Message, DecodeError> {
    Ok(Message { to: id(to)?, handler: handler.into(), argument: kept(argument) })
}

fn id(text: &str) -> Result<ObjectId, DecodeError> {
    text.parse().map_err(|error: crate::id::Error| damaged(error.to_string()))
}

/// The JSON was validated when it was accepted.
fn raw(json: &Bytes) -> &RawValue {
    serde_json::from_slice(json).unwrap_or(RawValue::NULL)
}

fn kept(json: &RawValue) -> Bytes {
    Bytes::copy_from_slice(json.get().as_bytes())
}
