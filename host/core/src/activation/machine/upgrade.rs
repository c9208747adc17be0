//! Upgrades of a live object to a new revision: the wanted revision, trials of it, and their results.
//!
//! An object switches between two calls. The first call runs with the new code. If that cannot read the state or
//! fails, nothing was changed, and the same call runs with the old code. If the old code succeeds, the object stays
//! on it ("held back") until another revision is wanted. A call that fails with both is no evidence against the new
//! code.
//!
//! Invariant: only this module and the one below it change the object's code.

mod verdict;

use std::time::Duration;

use super::Activation;
use super::calls::RunningCall;
use super::live::Live;
use super::step::Step;
use crate::activation::protocol::{Action, Probe, ProbeOutcome, Run, RunOutcome};
use crate::id::CodeId;

use verdict::{Verdict, classify};

/// Time limit for a new revision to read a state when no caller waits for it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Code of a live object, and its upgrade.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// Code that the object has adopted.
    code: CodeId,
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

/// Next step after a run.
#[expect(clippy::large_enum_variant, reason = "it is destructured immediately")]
pub(super) enum Next {
    /// This is the outcome of the call.
    Take(RunOutcome),
    /// The call runs again.
    Again(Run),
}

impl<T> Activation<T> {
    /// Probes the wanted code without a call, if the object is idle.
    pub(super) fn probe(&mut self, step: &mut Step<'_, T>) {
        if !self.lifecycle.is_live() || !step.has_lease() {
            return;
        }
        let Some(live) = &mut self.live else { return };
        let is_free = !live.execution.is_running() && !live.upgrade.is_probing();
        if let Some(code) = live.upgrade.unproven().filter(|_| is_free) {
            live.upgrade.probing = Some(IsStale(false));
            let state = live.current.state().cloned();
            let deadline = step.now().time + PROBE_TIMEOUT;
            step.push(Action::Probe(Probe { code, state, deadline }));
        }
    }
}

impl<T> Live<T> {
    /// Processes the result of a probe.
    pub(super) fn probed(&mut self, code: CodeId, probed: ProbeOutcome, step: &mut Step<'_, T>) {
        let Some(IsStale(is_stale)) = self.upgrade.probing.take() else { return };
        match probed {
            ProbeOutcome::Reads { is_kept } => {
                if is_kept {
                    // The state that was read may have been discarded since.
                    self.execution.instance_replaced(!is_stale);
                }
                self.upgrade.reads = Some(code.revision);
                step.push(Action::RevisionAccepted(code));
            }
            ProbeOutcome::Failed(failure) => match classify(&failure) {
                Verdict::Fails(why) => self.upgrade.pin(code, why, step),
                Verdict::Works | Verdict::Missing | Verdict::Nothing => {}
            },
        }
    }
}

impl Upgrade {
    /// Returns the upgrade state of an object loaded with this code, if `wanted` is the current revision.
    pub(super) fn loaded(code: CodeId, wanted: CodeId) -> Self {
        let mut upgrade = Self { code, wanted: None, pinned: None, probing: None, reads: None };
        upgrade.want(wanted);
        upgrade
    }

    /// Records that this revision is wanted.
    pub(super) fn want(&mut self, wanted: CodeId) {
        self.wanted = None;
        if wanted.component == self.code.component {
            // The same component under another revision number: no trial is needed.
            self.code = wanted;
        } else if self.pinned != Some(wanted.revision) {
            self.wanted = Some(wanted);
        }
    }

    /// Returns the code that the object has adopted.
    pub(super) fn code(&self) -> &CodeId {
        &self.code
    }

    /// Returns the code that the next call runs, as far as it is known to read the state.
    pub(super) fn next_code(&self) -> &CodeId {
        let proven = self.wanted.as_ref().filter(|wanted| self.reads == Some(wanted.revision));
        proven.unwrap_or(&self.code)
    }

    /// Whether a revision is wanted that the object has not run yet.
    pub(super) fn is_pending(&self) -> bool {
        self.wanted.is_some()
    }

    /// Whether a revision is being probed without a call.
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

    /// Selects the code for the next call, and keeps a copy of the call in case it must run again.
    pub(super) fn attempt(&self, run: &mut Run) -> Attempt {
        let Some(wanted) = &self.wanted else { return Attempt::Settled };
        run.code = wanted.clone();
        Attempt::New(Box::new(run.clone()))
    }

    /// Evaluates a run as evidence about its code, and decides whether the call runs again.
    pub(super) fn evaluate<T>(
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
                        self.pin(tried, why, step);
                    }
                    Next::Take(ran)
                }
                Verdict::Missing => Next::Take(*first),
                Verdict::Fails(_) | Verdict::Nothing => Next::Take(ran),
            },
        }
    }

    /// Runs the call again with the object's current code.
    fn again<T>(
        &self,
        running: &mut RunningCall<T>,
        run: Run,
        first: RunOutcome,
        why: Option<String>,
    ) -> Next {
        let tried = run.code.clone();
        running.attempt = Attempt::Old { tried, first: Box::new(first), why };
        Next::Again(Run { code: self.code.clone(), is_in_sync: false, ..run })
    }

    /// Returns the wanted revision if it is not known whether it reads the state.
    fn unproven(&self) -> Option<CodeId> {
        self.wanted.clone().filter(|wanted| self.reads != Some(wanted.revision))
    }

    fn adopt<T>(&mut self, code: CodeId, step: &mut Step<'_, T>) {
        self.no_longer_wanted(&code);
        self.pinned = None;
        self.code = code.clone();
        step.push(Action::RevisionAccepted(code));
    }

    /// Keeps the object on its own code, because this code failed where its own did not.
    fn pin<T>(&mut self, code: CodeId, why: String, step: &mut Step<'_, T>) {
        self.no_longer_wanted(&code);
        self.pinned = Some(code.revision);
        step.push(Action::RevisionPinned(code, why));
    }

    fn no_longer_wanted(&mut self, code: &CodeId) {
        if self.wanted.as_ref() == Some(code) {
            self.wanted = None;
        }
    }
}
