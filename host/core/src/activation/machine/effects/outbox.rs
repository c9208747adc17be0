//! Deliveries of an object's messages: at most one for each receiver, each after the commit that contains the message.
//!
//! A completed delivery alone does not trigger a write: it is recorded with the next write, at the latest before the
//! claim is released.

use std::time::Duration;

use super::{Deliveries, EffectsState};
use crate::activation::effects::outbox::{Refused, delivery_pause, reason};
use crate::activation::machine::commit::Commit;
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::protocol::{Action, Delivered, Delivery};
use crate::id::ObjectId;
use crate::limits::DELIVERIES_MAX;

impl Deliveries {
    /// Allows further deliveries to start: something has changed.
    pub(super) fn look_again(&mut self) {
        self.is_seen_to = false;
    }

    /// Whether completed deliveries are not recorded in the record yet.
    pub(super) fn owes_record(&self) -> bool {
        self.owes_record
    }

    /// Notes that the next record contains the completed deliveries.
    pub(super) fn recorded(&mut self) {
        self.owes_record = false;
    }

    fn finished(&mut self, to: &ObjectId) {
        self.under_way.remove(to);
        self.look_again();
    }
}

impl EffectsState {
    /// Whether any message is being delivered.
    pub(in crate::activation::machine) fn is_delivering(&self) -> bool {
        !self.deliveries.under_way.is_empty()
    }

    /// Whether this very message is being delivered.
    pub(in crate::activation::machine) fn is_delivering_to(
        &self,
        to: &ObjectId,
        number: u64,
    ) -> bool {
        self.deliveries.under_way.get(to).is_some_and(|(known, _)| *known == number)
    }

    /// Starts delivery of committed messages, at most one for each receiver.
    pub(in crate::activation::machine) fn begin_deliveries<T>(
        &mut self,
        commit: &Commit,
        step: &mut Step<'_, T>,
    ) {
        let Self { newest, deliveries } = self;
        if std::mem::replace(&mut deliveries.is_seen_to, true) {
            return;
        }
        let Some(durable) = newest else { return };
        let committed = commit.effects().map_or(0, |durable| durable.sent);
        let under_way = &deliveries.under_way;
        let places = DELIVERIES_MAX.saturating_sub(under_way.len());
        let fresh = durable.deliverable(committed, |to| under_way.contains_key(to)).take(places);
        let fresh: Vec<_> = fresh.cloned().collect();
        for pending in fresh {
            let (number, message) = (pending.number, pending.message);
            deliveries.under_way.insert(message.to.clone(), (number, 0));
            let pause = Duration::ZERO;
            step.push(Action::Deliver(Box::new(Delivery { number, message, pause })));
        }
    }

    fn deliver_again<T>(&self, number: u64, pause: Duration, step: &mut Step<'_, T>) {
        let mut outbox = self.newest().into_iter().flat_map(|durable| &durable.outbox);
        let pending = outbox.find(|pending| pending.number == number);
        if let Some(message) = pending.map(|pending| pending.message.clone()) {
            step.push(Action::Deliver(Box::new(Delivery { number, message, pause })));
        }
    }
}

impl<T> Live<T> {
    /// Processes the outcome of a delivery.
    pub(in crate::activation::machine) fn delivered(
        &mut self,
        to: &ObjectId,
        number: u64,
        delivered: Delivered,
        step: &mut Step<'_, T>,
    ) {
        let under_way = self.effects.deliveries.under_way.get_mut(to);
        let Some((_, attempts)) = under_way.filter(|(known, _)| *known == number) else { return };
        let pause = match delivered {
            Delivered::Done => {
                self.effects.edit().delivered(number);
                self.effects.deliveries.owes_record = true;
                None
            }
            Delivered::NotYet => {
                *attempts = attempts.saturating_add(1);
                Some(delivery_pause(*attempts))
            }
            Delivered::Refused(why) => {
                let why = reason(&why);
                match self.effects.edit().refused(number, &why, step.now().wall_ms) {
                    Some(Refused::Again(pause)) => Some(pause),
                    Some(Refused::Dead) => {
                        self.current.bump(step.now());
                        let text = format!("message {number} to {to} was given up: {why}");
                        step.push(Action::Warn(text));
                        None
                    }
                    None => None,
                }
            }
        };
        match pause {
            Some(pause) => self.effects.deliver_again(number, pause, step),
            None => self.effects.deliveries.finished(to),
        }
    }

    /// Writes outstanding bookkeeping before the claim is released.
    pub(in crate::activation::machine) fn flush_bookkeeping(&mut self, step: &Step<'_, T>) {
        if step.has_lease() && std::mem::take(&mut self.effects.deliveries.owes_record) {
            self.current.bump(step.now());
        }
    }
}
