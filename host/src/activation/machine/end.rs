//! Endings: who may ask for one, what it means for the calls that wait, and what follows.
//! What becomes of answers that are still owed is decided in `trust` and `settle`.

use super::{DEPARTING, Machine, Phase};
use crate::activation::Reason;
use crate::activation::protocol::Action;
use crate::error::Code;

impl<T> Machine<T> {
    pub(super) fn deactivate(&mut self, reason: Reason) {
        match self.phase {
            // Calls that wait have their turn, new ones go elsewhere.
            Phase::Live if reason.is_departure() => self.leaving = Some(reason),
            Phase::Live => self.phase = Phase::Closing(reason),
            // Who lost the claim answers nothing more, whatever else is asked for.
            Phase::Closing(earlier) if earlier.is_dispossession() => {}
            // Who leaves does not start again afterwards.
            Phase::Closing(_) if reason.is_departure() || reason.is_dispossession() => {
                self.phase = Phase::Closing(reason);
            }
            // It ends as soon as what is under way is over.
            Phase::Claiming | Phase::Loading if reason.is_dispossession() => {
                self.leaving = Some(reason);
            }
            Phase::Claiming | Phase::Loading if reason.is_departure() => {
                self.leaving.get_or_insert(reason);
            }
            _ => {}
        }
    }

    /// Whether calls are turned away because the object is to go on elsewhere.
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

    /// Ends the activation. Calls that wait start a new one, but for a reason that would meet them again at once.
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
