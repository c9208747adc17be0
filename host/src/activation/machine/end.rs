//! Ends of an activation: precedence of reasons, and their effect on waiting calls.

use super::{DEPARTING, Machine, Phase};
use crate::activation::Reason;
use crate::activation::protocol::Action;
use crate::error::Code;

impl<T> Machine<T> {
    pub(super) fn deactivate(&mut self, reason: Reason) {
        match self.phase {
            // Waiting calls are served; new ones go to another node.
            Phase::Live if reason.is_departure() => self.leaving = Some(reason),
            Phase::Live => self.phase = Phase::Closing(reason),
            // After the claim was lost nothing may be answered, whatever other end is requested.
            Phase::Closing(earlier) if earlier.is_dispossession() => {}
            // A departure or a lost claim overrides an ordinary end; after a departure the object does not start
            // again here.
            Phase::Closing(_) if reason.is_departure() || reason.is_dispossession() => {
                self.phase = Phase::Closing(reason);
            }
            // The activation ends as soon as the claim or load in progress is over.
            Phase::Claiming | Phase::Loading if reason.is_dispossession() => {
                self.leaving = Some(reason);
            }
            Phase::Claiming | Phase::Loading if reason.is_departure() => {
                self.leaving.get_or_insert(reason);
            }
            _ => {}
        }
    }

    /// Whether new calls are rejected because the object moves to another node.
    pub(super) fn is_departing(&self) -> bool {
        let ending = match self.phase {
            Phase::Closing(reason) | Phase::Releasing(reason) => Some(reason),
            _ => self.leaving,
        };
        ending.is_some_and(Reason::is_departure)
    }

    pub(super) fn released(&mut self, actions: &mut Vec<Action<T>>) {
        if let Phase::Releasing(reason) = self.phase {
            self.end(reason, actions);
        }
    }

    /// Ends the activation. Waiting calls start a new one, except after a departure: then they are rejected.
    pub(super) fn end(&mut self, reason: Reason, actions: &mut Vec<Action<T>>) {
        self.phase = Phase::Cold;
        self.leaving = None;
        self.wanted = None;
        self.live = None;
        actions.push(Action::Ended(reason));
        if reason.is_departure() {
            self.refuse_all(Code::Draining, DEPARTING, actions);
        }
    }
}
