//! Ends of an activation: precedence of reasons, and their effect on waiting calls.

use super::{DEPARTING, Lifecycle, Phase};
use crate::activation::Reason;
use crate::activation::machine::activation::Activation;
use crate::activation::machine::replies::STORE_SILENT;
use crate::activation::machine::step::Step;
use crate::activation::protocol::Action;
use crate::error::ErrorCode;

impl<T> Activation<T> {
    /// Ends the activation for this reason, unless it already ends for one that takes precedence.
    pub(in crate::activation::machine) fn deactivate(
        &mut self,
        reason: Reason,
        step: &mut Step<'_, T>,
    ) {
        if reason == Reason::GivenUp {
            // Waiting calls would need the store here; another node may reach it.
            self.refuse_all(ErrorCode::StoreUnavailable, STORE_SILENT, step);
        }
        match self.lifecycle.phase {
            // Waiting calls are served; new ones go to another node.
            Phase::Live if reason.is_departure() => self.lifecycle.leaving = Some(reason),
            Phase::Live => self.lifecycle.close_for(Some(reason)),
            // After the claim was lost nothing may be answered, whatever other end is requested. A write in progress is
            // awaited, but not if the store is unavailable.
            Phase::Closing(earlier)
                if earlier.is_dispossession() && !reason.is_for_want_of_store() => {}
            // A departure or a lost claim overrides an ordinary end; after a departure the object does not start
            // again here.
            Phase::Closing(_) if reason.is_departure() || reason.is_dispossession() => {
                self.lifecycle.close_for(Some(reason));
            }
            // A new activation has no open write, and its object can still be read.
            Phase::Claiming | Phase::Loading if reason == Reason::Unwritable => {}
            // The activation ends as soon as the registry has answered.
            Phase::Claiming if reason.is_dispossession() => self.lifecycle.leaving = Some(reason),
            Phase::Claiming if reason.is_departure() => {
                self.lifecycle.leaving.get_or_insert(reason);
            }
            // The load in progress is not awaited, because its result would not be used.
            Phase::Loading if reason.is_dispossession() || reason.is_departure() => {
                self.turn_back(reason, step);
            }
            _ => {}
        }
    }

    /// Processes the release of the claim.
    pub(in crate::activation::machine) fn released(&mut self, step: &mut Step<'_, T>) {
        if let Phase::Releasing(reason) = self.lifecycle.phase {
            self.end(reason, step);
        }
    }

    /// Ends the activation. Waiting calls start a new one, except after a departure: then they are rejected.
    pub(super) fn end(&mut self, reason: Reason, step: &mut Step<'_, T>) {
        self.lifecycle = Lifecycle::new();
        self.live = None;
        step.push(Action::Ended(reason));
        if reason.is_departure() {
            self.refuse_all(ErrorCode::Draining, DEPARTING, step);
        }
    }
}
