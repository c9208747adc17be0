//! Messages and alarms of the calls that a machine runs, and their wake-up index entries.
//!
//! They are part of the head and are committed or discarded with the state. A completed delivery alone does not
//! trigger a write: it is recorded with the next write, at the latest before the claim is released.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::step::Step;
use super::{Activation, Live, RunningCall};
use crate::activation::effects::alarms::Failed;
use crate::activation::effects::outbox::{Full, Refused, delivery_pause, reason};
use crate::activation::effects::{edit, view};
use crate::activation::protocol::{Action, Delivered, Delivery, Now};
use crate::activation::{Answer, Call, Operation};
use crate::caller::Caller;
use crate::effects::{Alarm, Effects, Trigger};
use crate::id::ObjectId;
use crate::limits::DELIVERIES_MAX;
use crate::store::record::effects::{DurableEffects, WakeupEntry};

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
pub(super) struct Started {
    pub(super) call: Call,
    pub(super) trigger: Trigger,
    /// Alarms that the handler sees.
    pub(super) alarms: Option<Arc<[Alarm]>>,
    pub(super) notes: CallMeta,
}

impl Started {
    pub(super) fn of(call: Call, alarms: Option<Arc<[Alarm]>>) -> Self {
        let message = match (&call.caller, call.origin.message) {
            (Caller::Object(sender), Some(number)) => Some((sender.clone(), number)),
            _ => None,
        };
        let trigger = match &message {
            Some((_, number)) => Trigger::Message(*number),
            None => Trigger::Call,
        };
        Self { call, trigger, alarms, notes: CallMeta { message, alarm: None } }
    }
}

/// Deliveries in progress.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// Message number and count of failed attempts, for each receiver.
    under_way: BTreeMap<ObjectId, (u64, u32)>,
    /// Whether no further delivery can start until something changes.
    is_seen_to: bool,
    /// Whether completed deliveries are not recorded in the record yet.
    owes_record: bool,
}

impl Deliveries {
    /// Whether this very message is being delivered.
    pub(super) fn contains(&self, to: &ObjectId, number: u64) -> bool {
        self.under_way.get(to).is_some_and(|(known, _)| *known == number)
    }
}

impl<T> Activation<T> {
    /// Processes the outcome of a delivery.
    pub(super) fn delivered(
        &mut self,
        to: &ObjectId,
        number: u64,
        delivered: Delivered,
        step: &mut Step<'_, T>,
    ) {
        let Some(live) = &mut self.live else { return };
        let Some((under_way, attempts)) = live.deliveries.under_way.get_mut(to) else { return };
        if *under_way != number {
            return;
        }
        let pause = match delivered {
            Delivered::Done => {
                edit(&mut live.current.effects).delivered(number);
                live.deliveries.owes_record = true;
                None
            }
            Delivered::NotYet => {
                *attempts = attempts.saturating_add(1);
                Some(delivery_pause(*attempts))
            }
            Delivered::Refused(why) => {
                let why = reason(&why);
                match edit(&mut live.current.effects).refused(number, &why, step.now().wall_ms) {
                    Some(Refused::Again(pause)) => Some(pause),
                    Some(Refused::Dead) => {
                        live.bump(step.now());
                        step.push(Action::Warn(format!(
                            "message {number} to {to} was given up: {why}"
                        )));
                        None
                    }
                    None => None,
                }
            }
        };
        match pause {
            Some(pause) => live.deliver_again(number, pause, step),
            None => {
                live.deliveries.under_way.remove(to);
                live.deliveries.is_seen_to = false;
            }
        }
    }
}

impl<T> Live<T> {
    pub(super) fn is_delivering(&self) -> bool {
        !self.deliveries.under_way.is_empty()
    }

    pub(super) fn alarms(&self) -> Option<Arc<[Alarm]>> {
        self.current.effects.as_ref()?.alarms.clone()
    }

    pub(super) fn effects(&self) -> Option<&DurableEffects> {
        self.current.effects.as_deref()
    }

    /// Whether a call is a message that has already taken effect.
    pub(super) fn has_received(&self, call: &Call) -> bool {
        match (&call.caller, call.origin.message, self.effects()) {
            (Caller::Object(sender), Some(number), Some(durable)) => {
                durable.has_received(sender, number)
            }
            _ => false,
        }
    }

    pub(super) fn is_alarm_due(&self, now: Now<'_>) -> bool {
        self.effects().is_some_and(|durable| durable.due_alarm(now.wall_ms).is_some())
    }

    /// Returns the call of the due alarm for a wake-up, or the original call if no alarm is due.
    pub(super) fn of_alarm(&self, id: &ObjectId, call: Call, now: Now<'_>) -> Started {
        let due = |durable: &DurableEffects| durable.due_alarm(now.wall_ms).cloned();
        let durable = self.effects();
        let Some((durable, alarm)) = durable.and_then(|known| Some((known, due(known)?))) else {
            return Started::of(call, self.alarms());
        };
        let handler = alarm.handler.as_ref().into();
        let operation = Operation::Handle { handler, argument: alarm.argument.clone() };
        let alarms = durable.alarms_after(&alarm.name, now.wall_ms);
        let notes = CallMeta {
            message: None,
            alarm: Some(FiredAlarm { name: Arc::clone(&alarm.name), after: alarms.clone() }),
        };
        let trigger = Trigger::Alarm { name: Arc::clone(&alarm.name), due_ms: alarm.due_ms };
        let call = Call { operation, caller: Caller::Object(id.clone()), ..call };
        Started { call, trigger, alarms, notes }
    }

    /// Applies the messages and alarms that a call requested.
    pub(super) fn apply_effects(
        &mut self,
        effects: Option<&Effects>,
        running: &RunningCall<T>,
    ) -> Result<(), Full> {
        if let Some(effects) = effects.filter(|effects| !effects.messages.is_empty()) {
            edit(&mut self.current.effects).post(&effects.messages)?;
        }
        let set = effects.and_then(|effects| effects.alarms.clone());
        match (set, &running.meta.alarm) {
            (Some(set), _) => {
                edit(&mut self.current.effects).alarms = Some(set).filter(|set| !set.is_empty());
            }
            (None, Some(FiredAlarm { after, .. })) => {
                edit(&mut self.current.effects).alarms.clone_from(after);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Records the message or alarm that triggered a call that changed the object, and returns the call's reply.
    pub(super) fn note(&mut self, notes: &CallMeta, reply: Bytes, now: Now<'_>) -> Bytes {
        if let Some((sender, number)) = &notes.message {
            let time_ms = self.time_ms(now);
            edit(&mut self.current.effects).receive(sender, *number, time_ms);
        }
        match &notes.alarm {
            Some(given) => self.wake_reply(Some(&given.name)),
            None => reply,
        }
    }

    /// Records the end of an alarm's handler that changed nothing. An error is a failed attempt; a query has
    /// completed the alarm.
    pub(super) fn alarm_ended(
        &mut self,
        running: &RunningCall<T>,
        answer: Answer,
        step: &mut Step<'_, T>,
    ) -> Answer {
        let Some(FiredAlarm { name, after }) = &running.meta.alarm else { return answer };
        let durable = edit(&mut self.current.effects);
        match &answer {
            Ok(_) => durable.alarms.clone_from(after),
            Err(error) => {
                let why = reason(&error.message);
                let then = match durable.alarm_failed(name, &why, step.now().wall_ms) {
                    Failed::Again => "it will fire again later".to_owned(),
                    Failed::PassedOver => "it is skipped until its next time".to_owned(),
                    Failed::Kept(number) => {
                        format!("it was given up and is kept as failed alarm {number}")
                    }
                };
                let text = format!("the alarm {name} failed; {then}: {why}");
                step.push(Action::Warn(text));
            }
        }
        self.bump(step.now());
        Ok(self.done(self.wake_reply(Some(name)), self.current.version))
    }

    /// Starts delivery of committed messages, at most one for each receiver.
    pub(super) fn begin_deliveries(&mut self, step: &mut Step<'_, T>) {
        if self.deliveries.is_seen_to {
            return;
        }
        self.deliveries.is_seen_to = true;
        let Some(durable) = &self.current.effects else { return };
        let committed = self.committed.effects.as_ref().map_or(0, |durable| durable.sent);
        let under_way = &self.deliveries.under_way;
        let places = DELIVERIES_MAX.saturating_sub(under_way.len());
        let fresh = durable.deliverable(committed, |to| under_way.contains_key(to)).take(places);
        let fresh: Vec<_> = fresh.cloned().collect();
        for pending in fresh {
            let (number, message) = (pending.number, pending.message);
            self.deliveries.under_way.insert(message.to.clone(), (number, 0));
            let pause = Duration::ZERO;
            step.push(Action::Deliver(Box::new(Delivery { number, message, pause })));
        }
    }

    fn deliver_again(&self, number: u64, pause: Duration, step: &mut Step<'_, T>) {
        let mut outbox = self.effects().into_iter().flat_map(|durable| &durable.outbox);
        let pending = outbox.find(|pending| pending.number == number);
        if let Some(message) = pending.map(|pending| pending.message.clone()) {
            step.push(Action::Deliver(Box::new(Delivery { number, message, pause })));
        }
    }

    /// Updates the committed effects, and removes the index entry if the record no longer refers to it.
    pub(super) fn committed_effects(
        &mut self,
        committed: Option<Arc<DurableEffects>>,
        step: &mut Step<'_, T>,
    ) {
        let before = std::mem::replace(&mut self.committed.effects, committed);
        let (wake_before, after) = (wake_of(before.as_ref()), self.committed.effects.as_ref());
        if let Some(wake) = wake_before.filter(|wake| wake_of(after) != Some(*wake)) {
            step.push(Action::DeleteWakeupEntry(wake));
        }
        if before.as_ref().map(Arc::as_ptr) != after.map(Arc::as_ptr) {
            self.deliveries.is_seen_to = false;
            self.announce_alarm(step);
        }
    }

    /// Schedules a wake-up for the next alarm.
    pub(super) fn announce_alarm(&self, step: &mut Step<'_, T>) {
        let next_ms = self.committed.effects.as_ref().and_then(|durable| durable.next_alarm_ms());
        if let Some(next_ms) = next_ms {
            step.push(Action::ScheduleAlarm(next_ms));
        }
    }

    /// Writes outstanding bookkeeping as a separate change when the object is woken, unless a change that is not
    /// sent yet records it anyway.
    pub(super) fn update_wakeup(&mut self, step: &mut Step<'_, T>) {
        // A committed alarm that is due needs no other wake-up: either this one fires it, or it was handled, and the
        // commit announces the next one.
        let next_ms = self.committed.effects.as_ref().and_then(|durable| durable.next_alarm_ms());
        if next_ms.is_some_and(|next_ms| next_ms > step.now().wall_ms) {
            self.announce_alarm(step);
        }
        let sent = self
            .in_flight_write
            .as_ref()
            .map_or(self.committed.version, |writing| writing.write.version);
        if self.current.version > sent {
            return;
        }
        let is_outdated = |durable: &DurableEffects| durable.needs_other_wake(step.now().wall_ms);
        if self.deliveries.owes_record || self.effects().is_some_and(is_outdated) {
            self.bump(step.now());
            self.deliveries.owes_record = false;
        }
    }

    /// Writes outstanding bookkeeping before the claim is released.
    pub(super) fn flush_bookkeeping(&mut self, now: Now<'_>) {
        if now.has_lease() && std::mem::take(&mut self.deliveries.owes_record) {
            self.bump(now);
        }
    }

    /// Returns the index entry to write before the record, if the record needs a different one from the committed
    /// one.
    pub(super) fn enter_wake(&mut self, now: Now<'_>) -> Option<WakeupEntry> {
        self.deliveries.owes_record = false;
        let durable = self.current.effects.as_ref()?;
        let wake = durable.wake_for(now.wall_ms, now.write_id);
        if wake != durable.wake {
            edit(&mut self.current.effects).wake = wake;
        }
        wake.filter(|wake| wake_of(self.committed.effects.as_ref()) != Some(*wake))
    }

    /// Returns the reply to a wake-up.
    pub(super) fn wake_reply(&self, given: Option<&str>) -> Bytes {
        let written = self.in_flight_write.as_ref().and_then(|writing| writing.effects.as_ref());
        let wakes = [
            wake_of(self.committed.effects.as_ref()),
            wake_of(written),
            wake_of(self.current.effects.as_ref()),
        ];
        view::woken(given, wakes.into_iter().flatten())
    }

    pub(super) fn effects_reply(&self) -> Bytes {
        view::shown(self.effects())
    }
}

fn wake_of(durable: Option<&Arc<DurableEffects>>) -> Option<WakeupEntry> {
    durable.and_then(|durable| durable.wake)
}
