//! Ends of an activation: precedence of reasons, and their effect on waiting calls.

use super::lease::STORE_SILENT;
use super::step::Step;
use super::{Activation, DEPARTING, Phase};
use crate::activation::Reason;
use crate::activation::protocol::Action;
use crate::error::ErrorCode;

impl<T> Activation<T> {
    pub(super) fn deactivate(&mut self, reason: Reason, step: &mut Step<'_, T>) {
        if reason == Reason::GivenUp {
            // Waiting calls would need the store here; another node may reach it.
            self.refuse_all(ErrorCode::StoreUnavailable, STORE_SILENT, step);
        }
        match self.phase {
            // Waiting calls are served; new ones go to another node.
            Phase::Live if reason.is_departure() => self.leaving = Some(reason),
            Phase::Live => self.phase = Phase::Closing(reason),
            // After the claim was lost nothing may be answered, whatever other end is requested. A write in progress is
            // awaited, but not if the store is unavailable.
            Phase::Closing(earlier)
                if earlier.is_dispossession() && !reason.is_for_want_of_store() => {}
            // A departure or a lost claim overrides an ordinary end; after a departure the object does not start
            // again here.
            Phase::Closing(_) if reason.is_departure() || reason.is_dispossession() => {
                self.phase = Phase::Closing(reason);
            }
            // A new activation has no open write, and its object can still be read.
            Phase::Claiming | Phase::Loading if reason == Reason::Unwritable => {}
            // The activation ends as soon as the registry has answered.
            Phase::Claiming if reason.is_dispossession() => self.leaving = Some(reason),
            Phase::Claiming if reason.is_departure() => {
                self.leaving.get_or_insert(reason);
            }
            // The load in progress is not awaited, because its result would not be used.
            Phase::Loading if reason.is_dispossession() || reason.is_departure() => {
                self.turn_back(reason, step);
            }
            _ => {}
        }
    }

    /// Returns the error for new calls if the object moves to another node, and nothing if it accepts calls.
    pub(super) fn turns_away(&self) -> Option<(ErrorCode, &'static str)> {
        let ending = match self.phase {
            Phase::Closing(reason) | Phase::Releasing(reason) => Some(reason),
            _ => self.leaving,
        };
        match ending? {
            Reason::GivenUp => Some((ErrorCode::StoreUnavailable, STORE_SILENT)),
            reason => reason.is_departure().then_some((ErrorCode::Draining, DEPARTING)),
        }
    }

    pub(super) fn released(&mut self, step: &mut Step<'_, T>) {
        if let Phase::Releasing(reason) = self.phase {
            self.end(reason, step);
        }
    }

    /// Ends the activation. Waiting calls start a new one, except after a departure: then they are rejected.
    pub(super) fn end(&mut self, reason: Reason, step: &mut Step<'_, T>) {
        self.phase = Phase::Cold;
        self.leaving = None;
        self.wanted = None;
        self.live = None;
        step.push(Action::Ended(reason));
        if reason.is_departure() {
            self.refuse_all(ErrorCode::Draining, DEPARTING, step);
        }
    }
}
