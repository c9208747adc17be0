//! Durable effects of one object: its messages, alarms and wake-up index entry, committed or not.
//!
//! Invariants: they are committed or discarded with the state, so a message leaves only after the commit that
//! contains it. Only this module and those below it change them.

mod alarms;
mod dead_letters;
mod outbox;
mod wakeup;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::activation::Call;
use crate::activation::effects::edit;
use crate::activation::effects::outbox::Full;
use crate::activation::reply::Reply;
use crate::caller::Caller;
use crate::effects::{Alarm, Effects, Trigger};
use crate::id::ObjectId;
use crate::store::record::Record;
use crate::store::record::effects::DurableEffects;

/// Newest durable effects, and the deliveries in progress.
#[derive(Debug)]
pub(super) struct EffectsState {
    newest: Option<Arc<DurableEffects>>,
    deliveries: Deliveries,
}

/// Deliveries in progress.
#[derive(Debug, Default)]
struct Deliveries {
    /// Message number and count of failed attempts, for each receiver.
    under_way: BTreeMap<ObjectId, (u64, u32)>,
    /// Whether no further delivery can start until something changes.
    is_seen_to: bool,
    /// Whether completed deliveries are not recorded in the record yet.
    owes_record: bool,
}

/// Bookkeeping to record if a call changes the object.
#[derive(Debug, Default)]
pub(super) struct CallMeta {
    /// Sender and number, if the call is a message.
    message: Option<(ObjectId, u64)>,
    /// Alarm, if the call was triggered by one.
    alarm: Option<FiredAlarm>,
}

/// Alarm whose handler is running.
#[derive(Debug)]
struct FiredAlarm {
    name: Arc<str>,
    /// Alarms without it, or with its next time.
    after: Option<Arc<[Alarm]>>,
}

/// Call prepared to start.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) call: Call,
    pub(super) trigger: Trigger,
    /// Alarms that the handler sees.
    pub(super) alarms: Option<Arc<[Alarm]>>,
    pub(super) meta: CallMeta,
}

impl EffectsState {
    /// Returns the effects contained in a record.
    pub(super) fn loaded(record: Option<&Record>) -> Self {
        let newest = record.and_then(|record| record.effects.clone());
        Self { newest, deliveries: Deliveries::default() }
    }

    /// Returns the effects for the next record.
    pub(super) fn to_record(&self) -> Option<Arc<DurableEffects>> {
        self.newest.clone()
    }

    /// Returns the view for operators.
    pub(super) fn view(&self) -> Reply {
        Reply::Effects(self.newest.clone())
    }

    /// Whether a call is a message that has already taken effect.
    pub(super) fn has_received(&self, call: &Call) -> bool {
        match (&call.caller, call.origin.message, self.newest()) {
            (Caller::Object(sender), Some(number), Some(durable)) => {
                durable.has_received(sender, number)
            }
            _ => false,
        }
    }

    /// Prepares a call that a caller or a message makes.
    pub(super) fn start(&self, call: Call) -> Started {
        let message = match (&call.caller, call.origin.message) {
            (Caller::Object(sender), Some(number)) => Some((sender.clone(), number)),
            _ => None,
        };
        let trigger = match &message {
            Some((_, number)) => Trigger::Message(*number),
            None => Trigger::Call,
        };
        let alarms = self.newest().and_then(|durable| durable.alarms.clone());
        Started { call, trigger, alarms, meta: CallMeta { message, alarm: None } }
    }

    /// Applies the messages and alarms that a call requested.
    ///
    /// # Errors
    /// [`Full`]; nothing was changed.
    pub(super) fn apply(
        &mut self,
        effects: Option<&Effects>,
        meta: &CallMeta,
        now_ms: u64,
    ) -> Result<(), Full> {
        if let Some(effects) = effects.filter(|effects| !effects.messages.is_empty()) {
            self.edit().post(&effects.messages)?;
        }
        let set = effects.and_then(|effects| effects.alarms.clone());
        match (set, &meta.alarm) {
            (Some(set), Some(alarm)) => {
                self.edit().set_by_alarm(&set, alarm.after.as_deref(), now_ms);
            }
            (Some(set), None) => self.edit().alarms = Some(set).filter(|set| !set.is_empty()),
            (None, Some(alarm)) => self.edit().alarms.clone_from(&alarm.after),
            (None, None) => {}
        }
        Ok(())
    }

    /// Records the message that triggered a call that changed the object, at the object's active time.
    pub(super) fn record_message(&mut self, meta: &CallMeta, time_ms: u64) {
        if let Some((sender, number)) = &meta.message {
            self.edit().receive(sender, *number, time_ms);
        }
    }

    fn newest(&self) -> Option<&DurableEffects> {
        self.newest.as_deref()
    }

    fn edit(&mut self) -> &mut DurableEffects {
        edit(&mut self.newest)
    }
}

impl CallMeta {
    /// Returns the name of the alarm that triggered the call.
    pub(super) fn alarm(&self) -> Option<&str> {
        self.alarm.as_ref().map(|alarm| &*alarm.name)
    }
}
