//! Upgrades of a live object to a new revision: the wanted revision, trials of it, and their results.
//!
//! An object switches between two calls. The first call runs with the new code. If that cannot read the state or
//! fails, nothing was changed, and the same call runs with the old code. If the old code succeeds, the object stays
//! on it (it is pinned) until another revision is wanted. A call that fails with both says nothing about the new code.
//!
//! Invariant: only this module and those below it change the object's code.

mod probe;
mod verdict;

use super::step::Step;
use crate::activation::protocol::{Action, Run, RunOutcome};
use crate::id::CodeId;

use verdict::{Verdict, classify};

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
        /// Reason of the failure; `None` if the code did not cause it.
        why: Option<String>,
    },
}

/// Next step after a run.
#[expect(clippy::large_enum_variant, reason = "it is destructured immediately")]
pub(super) enum Next {
    /// This is the outcome of the call.
    Take(RunOutcome),
    /// The call runs again.
    Again(Run, Attempt),
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
        attempt: Attempt,
        ran: RunOutcome,
        step: &mut Step<'_, T>,
    ) -> Next {
        match attempt {
            Attempt::Settled => Next::Take(ran),
            Attempt::New(run) => match classify(&ran) {
                Verdict::Works => {
                    self.adopt(run.code, step);
                    Next::Take(ran)
                }
                Verdict::Nothing => Next::Take(ran),
                Verdict::Missing => self.again(*run, ran, None),
                Verdict::Fails(why) => self.again(*run, ran, Some(why)),
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
    fn again(&self, run: Run, first: RunOutcome, why: Option<String>) -> Next {
        let attempt = Attempt::Old { tried: run.code.clone(), first: Box::new(first), why };
        Next::Again(Run { code: self.code.clone(), is_in_sync: false, ..run }, attempt)
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
