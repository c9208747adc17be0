//! Upgrades of a live object to a new revision: the wanted revision, trials of it, and their results.
//!
//! An object switches between two calls. The first call runs with the new code. If that cannot read the state or
//! fails, nothing was changed, and the same call runs with the old code. If the old code succeeds, the object stays
//! on it ("held back") until another revision is wanted. A call that fails with both is no evidence against the new
//! code.

use std::time::Duration;

use super::step::Step;
use super::{Activation, Live, Phase, RunningCall};
use crate::activation::protocol::{Action, Probe, ProbeOutcome, Run, RunOutcome};
use crate::engine::{Fault, HandlerError, RestoreError};
use crate::id::CodeId;

/// Time limit for a new revision to read a state when no caller waits for it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Upgrade state of a live object.
#[derive(Debug, Default)]
pub(super) struct Upgrade {
    /// Revision to try at the next call.
    wanted: Option<CodeId>,
    /// Revision that was tried and failed.
    pinned: Option<u32>,
    /// Set while a revision is probed without a call, with a flag: whether the state was replaced after the probe
    /// started.
    probing: Option<IsStale>,
    /// Revision known to read the state.
    reads: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct IsStale(bool);

/// Code that a call runs with.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The object's current code.
    Settled,
    /// The wanted code; the same call may run again.
    New(Box<Run>),
    /// The object's current code, after the wanted one failed.
    Old {
        tried: CodeId,
        /// Outcome of the first run.
        first: Box<RunOutcome>,
        /// Reason of the failure; `None` if it is no evidence against the code.
        why: Option<String>,
    },
}

/// Evidence of one run about its code.
enum Verdict {
    Works,
    Fails(String),
    /// The code was not available.
    Missing,
    Nothing,
}

/// Next step after a run.
#[expect(clippy::large_enum_variant, reason = "it is destructured immediately")]
pub(super) enum Next {
    /// This is the outcome of the call.
    Take(RunOutcome),
    /// The call runs again.
    Again(Run),
}

impl<T> Activation<T> {
    /// Records that another revision is wanted for the object.
    pub(super) fn want(&mut self, code: CodeId) {
        match (self.phase, &mut self.live) {
            (Phase::Live, Some(live)) => live.want(code),
            // Applied once the record is loaded.
            (Phase::Claiming | Phase::Loading, _) => self.wanted = Some(code),
            _ => {}
        }
    }

    /// Probes the wanted code without a call, if the object is idle.
    pub(super) fn probe(&mut self, step: &mut Step<'_, T>) {
        if self.phase != Phase::Live || !step.has_lease() {
            return;
        }
        let Some(live) = &mut self.live else { return };
        let is_free = live.running.is_none() && live.upgrade.probing.is_none();
        if let Some(code) = live.upgrade.unproven().filter(|_| is_free) {
            live.upgrade.probing = Some(IsStale(false));
            let state = live.current.state.clone();
            step.push(Action::Probe(Probe {
                code,
                state,
                deadline: step.now().time + PROBE_TIMEOUT,
            }));
        }
    }

    pub(super) fn probed(&mut self, code: CodeId, probed: ProbeOutcome, step: &mut Step<'_, T>) {
        let Some(live) = &mut self.live else { return };
        let Some(IsStale(is_stale)) = live.upgrade.probing.take() else { return };
        match probed {
            ProbeOutcome::Reads { is_kept } => {
                // The state that was read may have been discarded since.
                live.is_in_sync = if is_kept { !is_stale } else { live.is_in_sync };
                live.upgrade.reads = Some(code.revision);
                step.push(Action::RevisionAccepted(code));
            }
            ProbeOutcome::Failed(failure) => match classify(&failure) {
                Verdict::Fails(why) => live.hold_back(code, why, step),
                Verdict::Works | Verdict::Missing | Verdict::Nothing => {}
            },
        }
    }
}

impl Upgrade {
    /// Returns the upgrade state of an object loaded with the code `present`, if `wanted` is the current revision.
    pub(super) fn new(present: &mut CodeId, wanted: CodeId) -> Self {
        let mut swap = Self::default();
        swap.want(present, wanted);
        swap
    }

    fn want(&mut self, present: &mut CodeId, wanted: CodeId) {
        self.wanted = None;
        if wanted.component == present.component {
            // The same component under another revision number: no trial is needed.
            *present = wanted;
        } else if self.pinned != Some(wanted.revision) {
            self.wanted = Some(wanted);
        }
    }

    /// Returns the wanted revision if it is not known whether it reads the state.
    fn unproven(&self) -> Option<CodeId> {
        self.wanted.clone().filter(|wanted| self.reads != Some(wanted.revision))
    }

    /// Returns the wanted revision if it is known to read the state.
    pub(super) fn proven(&self) -> Option<&CodeId> {
        self.wanted.as_ref().filter(|wanted| self.reads == Some(wanted.revision))
    }

    pub(super) fn wanted(&self) -> Option<&CodeId> {
        self.wanted.as_ref()
    }

    pub(super) fn is_probing(&self) -> bool {
        self.probing.is_some()
    }

    /// Stops waiting for the probe in progress.
    pub(super) fn abandon(&mut self) {
        self.probing = None;
    }

    /// Records that the state being probed was discarded.
    pub(super) fn discard_uncommitted(&mut self) {
        if let Some(IsStale(is_stale)) = &mut self.probing {
            *is_stale = true;
        }
        self.reads = None;
    }
}

impl<T> Live<T> {
    fn want(&mut self, code: CodeId) {
        self.upgrade.want(&mut self.code, code);
    }

    /// Selects the code for the next call, and keeps a copy of the call in case it must run again.
    pub(super) fn attempt(&self, run: &mut Run) -> Attempt {
        let Some(wanted) = self.upgrade.wanted() else { return Attempt::Settled };
        run.code = wanted.clone();
        Attempt::New(Box::new(run.clone()))
    }

    /// Evaluates a run as evidence about its code, and decides whether the call runs again.
    pub(super) fn evaluate(
        &mut self,
        running: &mut RunningCall<T>,
        ran: RunOutcome,
        step: &mut Step<'_, T>,
    ) -> Next {
        match std::mem::replace(&mut running.attempt, Attempt::Settled) {
            Attempt::Settled => Next::Take(ran),
            // Effects on other objects cannot be reverted, so the call must not run twice.
            Attempt::New(_) if running.outbound.has_departed() => Next::Take(ran),
            Attempt::New(run) => match classify(&ran) {
                Verdict::Works => {
                    self.adopt(run.code, step);
                    Next::Take(ran)
                }
                Verdict::Nothing => Next::Take(ran),
                Verdict::Missing => self.again(running, *run, ran, None),
                Verdict::Fails(why) => self.again(running, *run, ran, Some(why)),
            },
            Attempt::Old { tried, first, why } => match classify(&ran) {
                Verdict::Works => {
                    if let Some(why) = why {
                        self.hold_back(tried, why, step);
                    }
                    Next::Take(ran)
                }
                Verdict::Missing => Next::Take(*first),
                Verdict::Fails(_) | Verdict::Nothing => Next::Take(ran),
            },
        }
    }

    /// Runs the call again with the object's current code.
    fn again(
        &mut self,
        running: &mut RunningCall<T>,
        run: Run,
        first: RunOutcome,
        why: Option<String>,
    ) -> Next {
        let tried = run.code.clone();
        running.attempt = Attempt::Old { tried, first: Box::new(first), why };
        self.is_in_sync = false;
        Next::Again(Run { code: self.code.clone(), is_in_sync: false, ..run })
    }

    fn adopt(&mut self, code: CodeId, step: &mut Step<'_, T>) {
        if self.upgrade.wanted.as_ref() == Some(&code) {
            self.upgrade.wanted = None;
        }
        self.upgrade.pinned = None;
        self.code = code.clone();
        step.push(Action::RevisionAccepted(code));
    }

    fn hold_back(&mut self, code: CodeId, why: String, step: &mut Step<'_, T>) {
        if self.upgrade.wanted.as_ref() == Some(&code) {
            self.upgrade.wanted = None;
        }
        self.upgrade.pinned = Some(code.revision);
        step.push(Action::RevisionPinned(code, why));
    }
}

fn classify(ran: &RunOutcome) -> Verdict {
    match ran {
        RunOutcome::Updated { .. } | RunOutcome::Queried { .. } => Verdict::Works,
        // A missing handler, or one of the wrong kind, is rejected before the code runs.
        RunOutcome::Rejected {
            rejection: HandlerError::UnknownHandler(_) | HandlerError::NoQuery,
            ..
        } => Verdict::Nothing,
        RunOutcome::Rejected { .. } => Verdict::Works,
        RunOutcome::Faulted(Fault::Exhausted(_))
        | RunOutcome::Unreadable(RestoreError::Fault(Fault::Exhausted(_)))
        | RunOutcome::TimedOut => Verdict::Nothing,
        // The trap message goes only to the operator's log: it may contain paths of the machine that compiled the
        // component.
        RunOutcome::Faulted(Fault::Trapped(_))
        | RunOutcome::Unreadable(RestoreError::Fault(Fault::Trapped(_))) => {
            Verdict::Fails("its code trapped".to_owned())
        }
        RunOutcome::Faulted(fault) => Verdict::Fails(fault.to_string()),
        RunOutcome::Unreadable(error) => Verdict::Fails(error.to_string()),
        RunOutcome::NoCode(_) => Verdict::Missing,
    }
}
