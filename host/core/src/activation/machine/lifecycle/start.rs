//! Start of an activation: from the claim to the first call, or back.

use super::Phase;
use crate::activation::Reason;
use crate::activation::machine::activation::Activation;
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::protocol::{Action, LoadFailure, Loaded};
use crate::error::{Error, ErrorCode};
use crate::registry::{self, Claimed};

impl<T> Activation<T> {
    /// Processes the registry's response to a claim.
    pub(in crate::activation::machine) fn claimed(
        &mut self,
        outcome: Result<Claimed, registry::Error>,
        step: &mut Step<'_, T>,
    ) {
        if self.lifecycle.phase != Phase::Claiming {
            return;
        }
        match outcome {
            Ok(Claimed::Granted) => match self.lifecycle.leaving.take() {
                Some(reason) => self.turn_back(reason, step),
                None => {
                    self.lifecycle.phase = Phase::Loading;
                    step.push(Action::Load);
                }
            },
            Ok(Claimed::Held(owner)) => {
                let text = format!("{}: the node {owner} owns it", step.id());
                let error = Error::new(ErrorCode::NotOwner, text).with_owner(owner);
                self.refuse_all_with(&error, step);
                self.end(Reason::NotOwner, step);
            }
            Err(error @ registry::Error::Full(_)) => {
                self.refuse_all(ErrorCode::NodeFull, &error.to_string(), step);
                self.end(Reason::NodeFull, step);
            }
            Err(error) => {
                self.refuse_all(ErrorCode::RegistryUnavailable, &error.to_string(), step);
                // The claim may have been granted anyway.
                self.lifecycle.release(Reason::RegistryUnavailable, step);
            }
        }
    }

    /// Starts to serve calls with the record that was loaded.
    pub(in crate::activation::machine) fn loaded(
        &mut self,
        loaded: Loaded,
        step: &mut Step<'_, T>,
    ) {
        if self.lifecycle.phase != Phase::Loading {
            return;
        }
        let live = Box::new(Live::loaded(loaded, self.lifecycle.wanted.take(), step));
        live.effects.schedule_alarm(&live.commit, step);
        self.live = Some(live);
        self.lifecycle.phase = Phase::Live;
    }

    /// Rejects the waiting calls and releases the claim, because the object could not be loaded.
    pub(in crate::activation::machine) fn load_failed(
        &mut self,
        failure: LoadFailure,
        step: &mut Step<'_, T>,
    ) {
        if self.lifecycle.phase != Phase::Loading {
            return;
        }
        let reason = match failure {
            LoadFailure::Store(error) => {
                self.refuse_all(ErrorCode::StoreUnavailable, &error.to_string(), step);
                Reason::StoreUnavailable
            }
            LoadFailure::Record(why) => {
                let why = format!("its record cannot be used and was left unchanged: {why}");
                self.refuse_all(ErrorCode::RecordDamaged, &why, step);
                Reason::RecordDamaged
            }
            LoadFailure::ErrorCode(error) => {
                self.refuse_all_with(&error, step);
                Reason::CodeUnavailable
            }
        };
        self.lifecycle.release(reason, step);
    }

    /// Ends an activation whose end was requested before it was live.
    pub(super) fn turn_back(&mut self, reason: Reason, step: &mut Step<'_, T>) {
        if reason.is_dispossession() {
            let why = "the claim of this node ended before the object was loaded";
            self.refuse_all(ErrorCode::RegistryUnavailable, why, step);
        }
        self.lifecycle.release(reason, step);
    }
}
