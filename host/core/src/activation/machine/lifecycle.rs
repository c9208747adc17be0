//! Lifecycle of an activation: its phases, and its end with the precedence of reasons.
//!
//! Invariants: only this module and those below it change the phase. The claim is released only from a settled
//! activation, or from one that never became live.

mod start;

use super::Activation;
use super::lease::STORE_SILENT;
use super::replies::LEASE_OVER;
use super::step::Step;
use crate::activation::Reason;
use crate::activation::protocol::Action;
use crate::error::ErrorCode;
use crate::id::CodeId;

const DEPARTING: &str = "it is being handed over to another node";

/// Phase of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No claim is held.
    Cold,
    /// The claim has been requested.
    Claiming,
    /// The record is being read.
    Loading,
    /// Calls are served.
    Live,
    /// No new work starts; the activation ends once everything is settled.
    Closing(Reason),
    /// The claim is being released.
    Releasing(Reason),
}

/// Phase of an activation, and what was requested of it before it can follow.
#[derive(Debug)]
pub(super) struct Lifecycle {
    phase: Phase,
    /// Reason why no further calls are accepted while the waiting ones are served.
    leaving: Option<Reason>,
    /// Wanted code, if it was announced before the record was loaded.
    wanted: Option<CodeId>,
}

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self { phase: Phase::Cold, leaving: None, wanted: None }
    }

    /// Whether no claim is held.
    pub(super) fn is_cold(&self) -> bool {
        self.phase == Phase::Cold
    }

    /// Whether calls are served.
    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// Whether the activation ends because its claim belongs, or is about to pass, to another owner.
    pub(super) fn has_lost_claim(&self) -> bool {
        matches!(self.phase, Phase::Closing(reason) if reason.is_dispossession())
    }

    /// Ends the activation once everything is settled, if there is a reason to.
    pub(super) fn close_for(&mut self, reason: Option<Reason>) {
        if let Some(reason) = reason {
            self.phase = Phase::Closing(reason);
        }
    }

    /// Returns the error for new calls if the object moves to another node, and nothing if it accepts calls.
    pub(super) fn rejects_calls(&self) -> Option<(ErrorCode, &'static str)> {
        let ending = match self.phase {
            Phase::Closing(reason) | Phase::Releasing(reason) => Some(reason),
            _ => self.leaving,
        };
        match ending? {
            Reason::GivenUp => Some((ErrorCode::StoreUnavailable, STORE_SILENT)),
            reason => reason.is_departure().then_some((ErrorCode::Draining, DEPARTING)),
        }
    }

    fn release<T>(&mut self, reason: Reason, step: &mut Step<'_, T>) {
        self.phase = Phase::Releasing(reason);
        step.push(Action::Release);
    }
}

impl<T> Activation<T> {
    /// Starts all work that can start now.
    pub(super) fn advance(&mut self, step: &mut Step<'_, T>) {
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
    pub(super) fn revision_wanted(&mut self, code: CodeId) {
        match (self.lifecycle.phase, &mut self.live) {
            (Phase::Live, Some(live)) => live.upgrade.want(code),
            // Applied once the record is loaded.
            (Phase::Claiming | Phase::Loading, _) => self.lifecycle.wanted = Some(code),
            _ => {}
        }
    }

    /// Ends the activation for this reason, unless it already ends for one that takes precedence.
    pub(super) fn deactivate(&mut self, reason: Reason, step: &mut Step<'_, T>) {
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
    pub(super) fn released(&mut self, step: &mut Step<'_, T>) {
        if let Phase::Releasing(reason) = self.lifecycle.phase {
            self.end(reason, step);
        }
    }

    /// Ends the activation. Waiting calls start a new one, except after a departure: then they are rejected.
    fn end(&mut self, reason: Reason, step: &mut Step<'_, T>) {
        self.lifecycle = Lifecycle::new();
        self.live = None;
        step.push(Action::Ended(reason));
        if reason.is_departure() {
            self.refuse_all(ErrorCode::Draining, DEPARTING, step);
        }
    }
}
