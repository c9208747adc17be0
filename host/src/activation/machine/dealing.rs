//! Messages and alarms of the calls that a machine runs, and their wake-up index entries.
//!
//! They are part of the head and are committed or discarded with the state. A completed delivery alone does not
//! trigger a write: it is recorded with the next write, at the latest before the claim is released.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Live, Machine, Running};
use crate::activation::dealings::alarms::Failed;
use crate::activation::dealings::outbox::{Full, Refused, delivery_pause, reason};
use crate::activation::dealings::{edit, shown};
use crate::activation::protocol::{Action, Delivered, Delivery, Now};
use crate::activation::{Answer, Call, Operation};
use crate::caller::Caller;
use crate::effects::{Alarm, Effects, Occasion};
use crate::id::ObjectId;
use crate::limits::DELIVERIES_MAX;
use crate::store::record::dealings::{Dealings, Wake};

/// Bookkeeping to record if a call changes the object.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Sender and number, if the call is a message.
    message: Option<(ObjectId, u64)>,
    /// Alarm, if the call was triggered by one.
    alarm: Option<Given>,
}

/// Alarm whose handler is running.
#[derive(Debug)]
struct Given {
    name: Arc<str>,
    /// Alarms without it, or with its next time.
    after: Option<Arc<[Alarm]>>,
}

/// Call prepared to start.
pub(super) struct Started {
    pub(super) call: Call,
    pub(super) occasion: Occasion,
    /// Alarms that the handler sees.
    pub(super) alarms: Option<Arc<[Alarm]>>,
    pub(super) notes: Notes,
}

impl Started {
    pub(super) fn of(call: Call, alarms: Option<Arc<[Alarm]>>) -> Self {
        let message = match (&call.caller, call.origin.message) {
            (Caller::Object(sender), Some(number)) => Some((sender.clone(), number)),
            _ => None,
        };
        let occasion = match &message {
            Some((_, number)) => Occasion::Message(*number),
            None => Occasion::Called,
        };
        Self { call, occasion, alarms, notes: Notes { message, alarm: None } }
    }
}

/// Deliveries in progress.
#[derive(Debug, Default)]
pub(super) struct Post {
    /// Message number and count of failed attempts, for each receiver.
    under_way: BTreeMap<ObjectId, (u64, u32)>,
    /// Whether no further delivery can start until something changes.
    is_seen_to: bool,
    /// Whether completed deliveries are not recorded in the record yet.
    owes_record: bool,
}

impl<T> Machine<T> {
    /// Processes the outcome of a delivery.
    pub(super) fn delivered(
        &mut self,
        to: &ObjectId,
        number: u64,
        delivered: Delivered,
        now: Now<'_>,
        actions: &mut Vec<Action<T>>,
    ) {
        let Some(live) = &mut self.live else { return };
        let Some((under_way, attempts)) = live.post.under_way.get_mut(to) else { return };
        if *under_way != number {
            return;
        }
        let pause = match delivered {
            Delivered::Done => {
                edit(&mut live.head.dealings).delivered(number);
                live.post.owes_record = true;
                None
            }
            Delivered::NotYet => {
                *attempts = attempts.saturating_add(1);
                Some(delivery_pause(*attempts))
            }
            Delivered::Refused(why) => {
                let why = reason(&why);
                match edit(&mut live.head.dealings).refused(number, &why, now.wall_ms) {
                    Some(Refused::Again(pause)) => Some(pause),
                    Some(Refused::Dead) => {
                        live.bump(now);
                        actions.push(Action::Warn(format!(
                            "message {number} to {to} was given up: {why}"
                        )));
                        None
                    }
                    None => None,
                }
            }
        };
        match pause {
            Some(pause) => live.deliver_again(number, pause, actions),
            None => {
                live.post.under_way.remove(to);
                live.post.is_seen_to = false;
            }
        }
    }

    /// Whether this very message is being delivered. Checked before each attempt.
    #[must_use]
    pub fn is_bringing(&self, to: &ObjectId, number: u64) -> bool {
        let post = self.live.as_ref().map(|live| &live.post);
        post.and_then(|post| post.under_way.get(to)).is_some_and(|(known, _)| *known == number)
    }
}

impl<T> Live<T> {
    pub(super) fn is_delivering(&self) -> bool {
        !self.post.under_way.is_empty()
    }

    pub(super) fn alarms(&self) -> Option<Arc<[Alarm]>> {
        self.head.dealings.as_ref()?.alarms.clone()
    }

    pub(super) fn dealings(&self) -> Option<&Dealings> {
        self.head.dealings.as_deref()
    }

    /// Whether a call is a message that has already taken effect.
    pub(super) fn has_received(&self, call: &Call) -> bool {
        match (&call.caller, call.origin.message, self.dealings()) {
            (Caller::Object(sender), Some(number), Some(dealings)) => {
                dealings.has_received(sender, number)
            }
            _ => false,
        }
    }

    pub(super) fn is_alarm_due(&self, now: Now<'_>) -> bool {
        self.dealings().is_some_and(|dealings| dealings.due_alarm(now.wall_ms).is_some())
    }

    /// Returns the call of the due alarm for a wake-up, or the original call if no alarm is due.
    pub(super) fn of_alarm(&self, id: &ObjectId, call: Call, now: Now<'_>) -> Started {
        let due = |dealings: &Dealings| dealings.due_alarm(now.wall_ms).cloned();
        let dealings = self.dealings();
        let Some((dealings, alarm)) = dealings.and_then(|known| Some((known, due(known)?))) else {
            return Started::of(call, self.alarms());
        };
        let handler = alarm.handler.as_ref().into();
        let operation = Operation::Handle { handler, argument: alarm.argument.clone() };
        let alarms = dealings.alarms_after(&alarm.name, now.wall_ms);
        let notes = Notes {
            message: None,
            alarm: Some(Given { name: Arc::clone(&alarm.name), after: alarms.clone() }),
        };
        let occasion = Occasion::Alarm { name: Arc::clone(&alarm.name), due_ms: alarm.due_ms };
        let call = Call { operation, caller: Caller::Object(id.clone()), ..call };
        Started { call, occasion, alarms, notes }
    }

    /// Applies the messages and alarms that a call requested.
    pub(super) fn take_in(
        &mut self,
        effects: Option<&Effects>,
        running: &Running<T>,
    ) -> Result<(), Full> {
        if let Some(effects) = effects.filter(|effects| !effects.messages.is_empty()) {
            edit(&mut self.head.dealings).post(&effects.messages)?;
        }
        let set = effects.and_then(|effects| effects.alarms.clone());
        match (set, &running.notes.alarm) {
            (Some(set), _) => {
                edit(&mut self.head.dealings).alarms = Some(set).filter(|set| !set.is_empty());
            }
            (None, Some(Given { after, .. })) => {
                edit(&mut self.head.dealings).alarms.clone_from(after);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Records the message or alarm that triggered a call that changed the object, and returns the call's reply.
    pub(super) fn note(&mut self, notes: &Notes, reply: Bytes, now: Now<'_>) -> Bytes {
        if let Some((sender, number)) = &notes.message {
            let time_ms = self.time_ms(now);
            edit(&mut self.head.dealings).receive(sender, *number, time_ms);
        }
        match &notes.alarm {
            Some(given) => self.woken(Some(&given.name)),
            None => reply,
        }
    }

    /// Records the end of an alarm's handler that changed nothing. An error is a failed attempt; a query has
    /// completed the alarm.
    pub(super) fn alarm_ended(
        &mut self,
        running: &Running<T>,
        answer: Answer,
        now: Now<'_>,
        actions: &mut Vec<Action<T>>,
    ) -> Answer {
        let Some(Given { name, after }) = &running.notes.alarm else { return answer };
        let dealings = edit(&mut self.head.dealings);
        match &answer {
            Ok(_) => dealings.alarms.clone_from(after),
            Err(error) => {
                let why = reason(&error.message);
                let then = match dealings.alarm_failed(name, &why, now.wall_ms) {
                    Failed::Again => "it will fire again later".to_owned(),
                    Failed::PassedOver => "it is skipped until its next time".to_owned(),
                    Failed::Kept(number) => {
                        format!("it was given up and is kept as failed alarm {number}")
                    }
                };
                let text = format!("the alarm {name} failed; {then}: {why}");
                actions.push(Action::Warn(text));
            }
        }
        self.bump(now);
        Ok(self.done(self.woken(Some(name)), self.head.version))
    }

    /// Starts delivery of committed messages, at most one for each receiver.
    pub(super) fn begin_deliveries(&mut self, actions: &mut Vec<Action<T>>) {
        if self.post.is_seen_to {
            return;
        }
        self.post.is_seen_to = true;
        let Some(dealings) = &self.head.dealings else { return };
        let committed = self.base.dealings.as_ref().map_or(0, |dealings| dealings.sent);
        let under_way = &self.post.under_way;
        let places = DELIVERIES_MAX.saturating_sub(under_way.len());
        let fresh = dealings.deliverable(committed, |to| under_way.contains_key(to)).take(places);
        let fresh: Vec<_> = fresh.cloned().collect();
        for pending in fresh {
            let (number, message) = (pending.number, pending.message);
            self.post.under_way.insert(message.to.clone(), (number, 0));
            let pause = Duration::ZERO;
            actions.push(Action::Deliver(Box::new(Delivery { number, message, pause })));
        }
    }

    fn deliver_again(&self, number: u64, pause: Duration, actions: &mut Vec<Action<T>>) {
        let mut outbox = self.dealings().into_iter().flat_map(|dealings| &dealings.outbox);
        let pending = outbox.find(|pending| pending.number == number);
        if let Some(message) = pending.map(|pending| pending.message.clone()) {
            actions.push(Action::Deliver(Box::new(Delivery { number, message, pause })));
        }
    }

    /// Updates the committed dealings, and removes the index entry if the record no longer refers to it.
    pub(super) fn committed_dealings(
        &mut self,
        committed: Option<Arc<Dealings>>,
        actions: &mut Vec<Action<T>>,
    ) {
        let before = std::mem::replace(&mut self.base.dealings, committed);
        let (wake_before, now) = (wake_of(before.as_ref()), self.base.dealings.as_ref());
        if let Some(wake) = wake_before.filter(|wake| wake_of(now) != Some(*wake)) {
            actions.push(Action::Forget(wake));
        }
        if before.as_ref().map(Arc::as_ptr) != now.map(Arc::as_ptr) {
            self.post.is_seen_to = false;
            self.announce_alarm(actions);
        }
    }

    /// Schedules a wake-up for the next alarm.
    pub(super) fn announce_alarm(&self, actions: &mut Vec<Action<T>>) {
        let next_ms = self.base.dealings.as_ref().and_then(|dealings| dealings.next_alarm_ms());
        actions.extend(next_ms.map(Action::Due));
    }

    /// Writes outstanding bookkeeping as a separate change when the object is woken, unless a change that is not
    /// sent yet records it anyway.
    pub(super) fn see_to_waking(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        // A committed alarm that is due needs no other wake-up: either this one fires it, or it was handled, and the
        // commit announces the next one.
        let next_ms = self.base.dealings.as_ref().and_then(|dealings| dealings.next_alarm_ms());
        if next_ms.is_some_and(|next_ms| next_ms > now.wall_ms) {
            self.announce_alarm(actions);
        }
        let sent = self.writing.as_ref().map_or(self.base.version, |writing| writing.write.version);
        if self.head.version > sent {
            return;
        }
        let is_outdated = |dealings: &Dealings| dealings.needs_other_wake(now.wall_ms);
        if self.post.owes_record || self.dealings().is_some_and(is_outdated) {
            self.bump(now);
            self.post.owes_record = false;
        }
    }

    /// Writes outstanding bookkeeping before the claim is released.
    pub(super) fn tidy_up(&mut self, now: Now<'_>) {
        if now.has_lease() && std::mem::take(&mut self.post.owes_record) {
            self.bump(now);
        }
    }

    /// Returns the index entry to write before the record, if the record needs a different one from the committed
    /// one.
    pub(super) fn enter_wake(&mut self, now: Now<'_>) -> Option<Wake> {
        self.post.owes_record = false;
        let dealings = self.head.dealings.as_ref()?;
        let wake = dealings.wake_for(now.wall_ms, now.write_id);
        if wake != dealings.wake {
            edit(&mut self.head.dealings).wake = wake;
        }
        wake.filter(|wake| wake_of(self.base.dealings.as_ref()) != Some(*wake))
    }

    /// Returns the reply to a wake-up.
    pub(super) fn woken(&self, given: Option<&str>) -> Bytes {
        let written = self.writing.as_ref().and_then(|writing| writing.dealings.as_ref());
        let wakes = [
            wake_of(self.base.dealings.as_ref()),
            wake_of(written),
            wake_of(self.head.dealings.as_ref()),
        ];
        shown::woken(given, wakes.into_iter().flatten())
    }

    pub(super) fn shown(&self) -> Bytes {
        shown::shown(self.dealings())
    }
}

fn wake_of(dealings: Option<&Arc<Dealings>>) -> Option<Wake> {
    dealings.and_then(|dealings| dealings.wake)
}
