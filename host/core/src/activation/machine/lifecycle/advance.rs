//! Progress of an activation after each event: all work that can start is started, and a settled one that closes
//! releases its claim.

use super::Phase;
use crate::activation::machine::activation::Activation;
use crate::activation::machine::replies::LEASE_OVER;
use crate::activation::machine::step::Step;
use crate::activation::protocol::Action;
use crate::error::ErrorCode;
use crate::id::CodeId;

impl<T> Activation<T> {
    /// Starts all work that can start now.
    pub(in crate::activation::machine) fn advance(&mut self, step: &mut Step<'_, T>) {
        match self.lifecycle.phase {
            Phase::Cold if !step.has_lease() => {
                self.refuse_all(ErrorCode::RegistryUnavailable, LEASE_OVER, step);
            }
            Phase::Cold if !self.mailbox.is_empty() => {
                self.lifecycle.phase = Phase::Claiming;
                step.push(Action::Claim);
            }
            Phase::Live => {
                self.begin_calls(step);
                let leaving = self.lifecycle.leaving.filter(|_| self.mailbox.is_empty());
                self.lifecycle.close_for(leaving);
            }
            Phase::Cold | Phase::Claiming | Phase::Loading | Phase::Releasing(_) => return,
            Phase::Closing(reason) => {
                if let Some(live) = self.live.as_mut().filter(|_| reason.is_orderly()) {
                    live.flush_bookkeeping(step);
                }
            }
        }
        if let Some(live) = &mut self.live {
            if step.has_lease() {
                live.release_held(step);
                live.effects.begin_deliveries(&live.commit, step);
                live.begin_write(step);
                live.begin_proof(step);
            } else if let Phase::Closing(reason) = self.lifecycle.phase {
                live.give_up(reason, step);
            }
        }
        if let Phase::Closing(reason) = self.lifecycle.phase
            && self.live.as_ref().is_none_or(|live| live.is_settled())
        {
            self.live = None;
            step.push(Action::DropInstance);
            self.lifecycle.release(reason, step);
        }
    }

    /// Records that another revision is wanted for the object.
    pub(in crate::activation::machine) fn revision_wanted(&mut self, code: CodeId) {
        match (self.lifecycle.phase, &mut self.live) {
            (Phase::Live, Some(live)) => live.upgrade.want(code),
            // Applied once the record is loaded.
            (Phase::Claiming | Phase::Loading, _) => self.lifecycle.wanted = Some(code),
            _ => {}
        }
    }
}
