//! New code for a live object: what is wanted, what was tried, and what became of it.
//!
//! An object changes over between two calls. The first call runs with the new code; where that cannot read the state or
//! fails, nothing was changed, and the same call runs with the old code. If that does better, the object stays on it
//! ("held back") until another revision is wanted. A call that fails with both says nothing of the new code.

use std::time::Duration;

use super::{Live, Machine, Phase, Running};
use crate::activation::protocol::{Action, Now, Probe, Probed, Ran, Run};
use crate::engine::{Fault, Rejection, RestoreError};
use crate::id::CodeId;

/// How long a new revision may take to read a state when no caller waits for it.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

/// Which code a live object is to change over to.
#[derive(Debug, Default)]
pub(super) struct Swap {
    /// To be tried at the next call.
    wanted: Option<CodeId>,
    /// The revision that was tried in vain.
    held_back: Option<u32>,
    /// Whether it is being tried without a call, and then whether the state was replaced meanwhile.
    probing: Option<IsStale>,
    /// The revision that is known to read the state.
    reads: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct IsStale(bool);

/// With which code a call runs.
#[derive(Debug)]
pub(super) enum Attempt {
    /// With the code of the object.
    Settled,
    /// With the code that is wanted; the same call may run again.
    New(Box<Run>),
    /// With the code of the object, after the one that is wanted had failed.
    Old {
        tried: CodeId,
        /// What it had come to.
        first: Box<Ran>,
        /// Why, unless it says nothing of the code.
        why: Option<String>,
    },
}

/// What one run says of the code it ran.
enum Says {
    Works,
    Fails(String),
    /// It was not there to be run.
    Missing,
    Nothing,
}

/// What follows from a run.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Next {
    /// This is what the call came to.
    Take(Ran),
    /// The call runs once more.
    Again(Run),
}

impl<T> Machine<T> {
    /// Whether a revision is being tried without a call.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.swap.is_probing())
    }

    /// Another revision is wanted for the object.
    pub(super) fn want(&mut self, code: CodeId) {
        match (self.phase, &mut self.live) {
            (Phase::Live, Some(live)) => live.want(code),
            // It is wanted as soon as the record is there.
            (Phase::Claiming | Phase::Loading, _) => self.wanted = Some(code),
            _ => {}
        }
    }

    /// Tries the code that is wanted without a call, if nothing is to be done.
    pub(super) fn probe(&mut self, now: Now<'_>, actions: &mut Vec<Action<T>>) {
        if self.phase != Phase::Live || !now.has_lease() {
            return;
        }
        let Some(live) = &mut self.live else { return };
        let is_free = live.running.is_none() && live.swap.probing.is_none();
        if let Some(code) = live.swap.unproven().filter(|_| is_free) {
            live.swap.probing = Some(IsStale(false));
            let state = live.head.state.clone();
            actions.push(Action::Probe(Probe { code, state, deadline: now.time + PROBE_PATIENCE }));
        }
    }

    pub(super) fn probed(&mut self, code: CodeId, probed: Probed, actions: &mut Vec<Action<T>>) {
        let Some(live) = &mut self.live else { return };
        let Some(IsStale(is_stale)) = live.swap.probing.take() else { return };
        match probed {
            Probed::Reads { is_kept } => {
                // What it read may have been undone meanwhile.
                live.is_in_sync = if is_kept { !is_stale } else { live.is_in_sync };
                live.swap.reads = Some(code.revision);
                actions.push(Action::TookWell(code));
            }
            Probed::Failed(failure) => match says(&failure) {
                Says::Fails(why) => live.hold_back(code, why, actions),
                Says::Works | Says::Missing | Says::Nothing => {}
            },
        }
    }
}

impl Swap {
    /// A live object that was loaded with the code `present`, where `wanted` is current.
    pub(super) fn new(present: &mut CodeId, wanted: CodeId) -> Self {
        let mut swap = Self::default();
        swap.want(present, wanted);
        swap
    }

    fn want(&mut self, present: &mut CodeId, wanted: CodeId) {
        self.wanted = None;
        if wanted.component == present.component {
            // The same code under another number: there is nothing to try.
            *present = wanted;
        } else if self.held_back != Some(wanted.revision) {
            self.wanted = Some(wanted);
        }
    }

    /// What is wanted, and of which it is not known whether it reads the state.
    fn unproven(&self) -> Option<CodeId> {
        self.wanted.clone().filter(|wanted| self.reads != Some(wanted.revision))
    }

    /// What is wanted, and is known to read the state.
    pub(super) fn proven(&self) -> Option<&CodeId> {
        self.wanted.as_ref().filter(|wanted| self.reads == Some(wanted.revision))
    }

    pub(super) fn wanted(&self) -> Option<&CodeId> {
        self.wanted.as_ref()
    }

    pub(super) fn is_probing(&self) -> bool {
        self.probing.is_some()
    }

    /// The state is another one than what is being read.
    pub(super) fn undone(&mut self) {
        if let Some(IsStale(is_stale)) = &mut self.probing {
            *is_stale = true;
        }
        self.reads = None;
    }
}

impl<T> Live<T> {
    fn want(&mut self, code: CodeId) {
        self.swap.want(&mut self.code, code);
    }

    /// The code for the next call, and the call as it may be run again.
    pub(super) fn attempt(&self, run: &mut Run) -> Attempt {
        let Some(wanted) = self.swap.wanted() else { return Attempt::Settled };
        run.code = wanted.clone();
        Attempt::New(Box::new(run.clone()))
    }

    /// What a run says of the code, and whether the call is to run once more.
    pub(super) fn judge(
        &mut self,
        running: &mut Running<T>,
        ran: Ran,
        actions: &mut Vec<Action<T>>,
    ) -> Next {
        match std::mem::replace(&mut running.attempt, Attempt::Settled) {
            Attempt::Settled => Next::Take(ran),
            // What other objects did for it is done: it does not run twice.
            Attempt::New(_) if running.away.has_departed() => Next::Take(ran),
            Attempt::New(run) => match says(&ran) {
                Says::Works => {
                    self.adopt(run.code, actions);
                    Next::Take(ran)
                }
                Says::Nothing => Next::Take(ran),
                Says::Missing => self.again(running, *run, ran, None),
                Says::Fails(why) => self.again(running, *run, ran, Some(why)),
            },
            Attempt::Old { tried, first, why } => match says(&ran) {
                Says::Works => {
                    if let Some(why) = why {
                        self.hold_back(tried, why, actions);
                    }
                    Next::Take(ran)
                }
                Says::Missing => Next::Take(*first),
                Says::Fails(_) | Says::Nothing => Next::Take(ran),
            },
        }
    }

    /// Has the call run with the object's own code.
    fn again(
        &mut self,
        running: &mut Running<T>,
        run: Run,
        first: Ran,
        why: Option<String>,
    ) -> Next {
        let tried = run.code.clone();
        running.attempt = Attempt::Old { tried, first: Box::new(first), why };
        self.is_in_sync = false;
        Next::Again(Run { code: self.code.clone(), is_in_sync: false, ..run })
    }

    fn adopt(&mut self, code: CodeId, actions: &mut Vec<Action<T>>) {
        if self.swap.wanted.as_ref() == Some(&code) {
            self.swap.wanted = None;
        }
        self.swap.held_back = None;
        self.code = code.clone();
        actions.push(Action::TookWell(code));
    }

    fn hold_back(&mut self, code: CodeId, why: String, actions: &mut Vec<Action<T>>) {
        if self.swap.wanted.as_ref() == Some(&code) {
            self.swap.wanted = None;
        }
        self.swap.held_back = Some(code.revision);
        actions.push(Action::HeldBack(code, why));
    }
}

fn says(ran: &Ran) -> Says {
    match ran {
        Ran::Updated { .. } | Ran::Queried { .. } => Says::Works,
        // A handler that is gone, or is of the other kind, is refused before the code runs.
        Ran::Rejected { rejection: Rejection::UnknownHandler(_) | Rejection::NoQuery, .. } => {
            Says::Nothing
        }
        Ran::Rejected { .. } => Says::Works,
        Ran::Faulted(Fault::Exhausted(_))
        | Ran::Unreadable(RestoreError::Fault(Fault::Exhausted(_)))
        | Ran::TimedOut => Says::Nothing,
        // What the code said of itself is for the operator's log: it may hold paths of the machine that compiled it.
        Ran::Faulted(Fault::Trapped(_))
        | Ran::Unreadable(RestoreError::Fault(Fault::Trapped(_))) => {
            Says::Fails("its code trapped".to_owned())
        }
        Ran::Faulted(fault) => Says::Fails(fault.to_string()),
        Ran::Unreadable(error) => Says::Fails(error.to_string()),
        Ran::NoCode(_) => Says::Missing,
    }
}
