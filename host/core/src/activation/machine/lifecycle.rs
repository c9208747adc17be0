//! Lifecycle of an activation: its phases, and its end with the precedence of reasons.
//!
//! Invariants: only this module and those below it change the phase. The claim is released only from a settled
//! activation, or from one that never became live.

mod advance;
mod end;
mod start;

use super::replies::STORE_SILENT;
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
