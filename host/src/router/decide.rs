//! Decides where a call goes next: a function of what was tried, what came back, and what is known now.
//!
//! There is no I/O, no clock and no randomness of its own in here; the router acts on what [`Course::next`] says and
//! brings what came of it to [`Course::take`].
//! Only what provably was not executed is tried again, or what may be repeated: a query, or a call with an idempotency
//! key. Once a keyed update may have taken effect, no later refusal of it is believed to mean "not executed"
//! (contract S6).

use std::time::Duration;

use crate::activation::Answer;
use crate::clock::BootTime;
use crate::error::{Code, Effect, Error};
use crate::id::{NodeId, ObjectId};
use crate::node::placement;
use crate::registry::claims::ClaimKey;
use crate::registry::members::{Member, Members, PROTOCOL};

/// A call that arrives after so many hops is not forwarded again.
pub const HOPS_MAX: u8 = 2;
/// Nodes that are asked between two pauses at most.
const ASKED_MAX: usize = 4;
/// First pause before all is tried again; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// What is left of a call's time for its last attempt.
const LAST_ATTEMPT: Duration = Duration::from_millis(20);
/// How often a call is tried again whose refusal may as well be for good.
const DOUBTS_MAX: u8 = 2;

/// What is known at the moment of a decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// This node.
    pub(super) me: &'a NodeId,
    pub(super) members: &'a Members,
    /// Whether the object is active here.
    pub(super) is_active: bool,
    pub(super) now: BootTime,
    /// Spreads pauses.
    pub(super) random: u32,
}

/// What to do next with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Bring it to its object on this node.
    Here,
    /// Send it to this node.
    Forward(Member),
    /// Wait so long, or until the members change.
    Pause(Duration),
    /// Answer this.
    Answer(Box<Error>),
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// An answer, from here or from the node that was asked.
    Answered(Answer),
    /// Nothing reached the node.
    NotSent(String),
    /// Whether the call was executed is not known. A query leaves no trace either way.
    Interrupted { why: String, is_query: bool },
    /// As many calls are under way to the node as may be.
    NoPlace,
}

/// A node that was asked since the last pause.
#[derive(Debug)]
struct Asked {
    node: NodeId,
    is_here: bool,
    /// Whether it answered.
    is_reached: bool,
}

/// The course of one call.
#[derive(Debug)]
pub(super) struct Course {
    id: ObjectId,
    key: ClaimKey,
    hops: u8,
    deadline: BootTime,
    is_keyed: bool,
    /// Who is thought to own the object.
    owner: Option<NodeId>,
    /// Whether a node said so just now.
    is_owner_fresh: bool,
    asked: Vec<Asked>,
    /// Whether the node that is being asked is thought to own the object.
    is_owner_asked: bool,
    /// Nobody else can answer before the present owner gives its claim back or loses it.
    is_stuck: bool,
    forwards: u8,
    pause: Duration,
    doubts: u8,
    /// An update was interrupted, and may have taken effect.
    is_uncertain: bool,
    last: Option<Box<Error>>,
}

impl Course {
    /// The course of a call that arrives after `hops` hops; `owner` is who is remembered to own the object.
    pub(super) fn new(
        id: &ObjectId,
        key: ClaimKey,
        hops: u8,
        owner: Option<NodeId>,
        call: (BootTime, bool),
    ) -> Self {
        let (deadline, is_keyed) = call;
        Self {
            id: id.clone(),
            key,
            hops,
            deadline,
            is_keyed,
            owner,
            is_owner_fresh: false,
            asked: Vec::new(),
            is_owner_asked: false,
            is_stuck: false,
            forwards: 0,
            pause: PAUSE_MIN,
            doubts: 0,
            is_uncertain: false,
            last: None,
        }
    }

    /// What to do next.
    pub(super) fn next(&mut self, view: View<'_>) -> Step {
        if view.now >= self.deadline {
            return Step::Answer(self.give_up());
        }
        let step = self.candidate(view);
        if matches!(step, Some(Step::Forward(_))) {
            self.forwards = self.forwards.saturating_add(1);
        }
        step.unwrap_or_else(|| self.pause(view))
    }

    /// The next node to ask, if there is one that could answer now.
    fn candidate(&mut self, view: View<'_>) -> Option<Step> {
        self.is_owner_asked = true;
        let is_here_open = !self.has_asked(view.me);
        if view.is_active && is_here_open {
            return Some(Step::Here);
        }
        if let Some(owner) = self.owner.clone().filter(|owner| !self.has_asked(owner)) {
            if owner == *view.me {
                return Some(Step::Here);
            }
            match view.members.find(&owner).filter(|member| member.protocol == PROTOCOL) {
                Some(member) if self.may_forward() => return Some(Step::Forward(member.clone())),
                // Its claim is on its way out.
                None if self.is_owner_fresh => self.is_stuck = true,
                _ => {}
            }
        }
        if self.is_stuck {
            return None;
        }
        self.is_owner_asked = false;
        if self.hops > 0 {
            // Whoever sent the call here did so because this node is to own the object.
            return is_here_open.then_some(Step::Here);
        }
        if self.asked.len() >= ASKED_MAX {
            return None;
        }
        let mut order = placement::order(self.key, view.members).peekable();
        if order.peek().is_none() {
            // Without anybody who takes objects it is for this node to say why.
            return is_here_open.then_some(Step::Here);
        }
        let member = order.find(|member| !self.has_asked(&member.node))?;
        let is_here = member.node == *view.me;
        Some(if is_here { Step::Here } else { Step::Forward(member.clone()) })
    }

    fn may_forward(&self) -> bool {
        self.hops == 0 || (self.hops < HOPS_MAX && self.forwards == 0)
    }

    /// Waits before all is tried again, if this is the node to do so and there is time and hope.
    fn pause(&mut self, view: View<'_>) -> Step {
        let is_hopeless = self.last.as_ref().is_some_and(|error| match error.code {
            // Overload is told, not waited out.
            Code::NodeFull => true,
            // Nobody is there to hand the object over to.
            Code::Draining => {
                !placement::order(self.key, view.members).any(|member| member.node != *view.me)
            }
            _ => false,
        });
        let time_left = self.deadline.since(view.now).saturating_sub(LAST_ATTEMPT);
        // Those before this node on the call's way wait themselves, and have more to choose from.
        if self.hops > 0 || is_hopeless || time_left.is_zero() {
            return Step::Answer(self.give_up());
        }
        let half = self.pause / 2;
        let jitter = half.mul_f64(f64::from(view.random) / f64::from(u32::MAX));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.asked.clear();
        (self.owner, self.is_owner_fresh, self.is_stuck) = (None, false, false);
        Step::Pause((half + jitter).min(time_left))
    }

    /// Takes what came of the last step, from this node if `is_here`; the answer to the caller, if that is it.
    pub(super) fn take(&mut self, node: &NodeId, is_here: bool, came: Came) -> Option<Answer> {
        let is_reached = matches!(came, Came::Answered(_));
        self.asked.push(Asked { node: node.clone(), is_here, is_reached });
        match came {
            Came::Answered(Err(error)) if error.effect() == Effect::None => {
                self.refused(node, error)
            }
            Came::Answered(answer) => Some(answer),
            Came::NotSent(why) => {
                self.lost(node, &format!("{} was not called: {node} {why}", self.id));
                None
            }
            Came::Interrupted { why, is_query: true } => {
                self.lost(node, &format!("{} gave no answer: {node} {why}", self.id));
                None
            }
            Came::Interrupted { why, .. } => {
                let text = format!("{node} {why}");
                if !self.is_keyed {
                    return Some(Err(self.unknown(&text)));
                }
                self.is_uncertain = true;
                self.lost(node, &text);
                None
            }
            Came::NoPlace => {
                let text = format!(
                    "{} was not called: as many calls to {node} are under way as may be",
                    self.id
                );
                self.finish(again_later(Error::new(Code::NodeFull, text)))
            }
        }
    }

    /// A node that did not execute the call said why.
    fn refused(&mut self, node: &NodeId, error: Box<Error>) -> Option<Answer> {
        let was_owner = self.is_owner_asked;
        match error.code {
            Code::NotOwner => {
                let owner = error.owner.clone().filter(|owner| owner != node);
                self.last = Some(error);
                self.is_owner_fresh = owner.is_some();
                if let Some(owner) = &owner
                    && self.has_asked(owner)
                {
                    self.is_stuck = self.is_out_of_reach(owner);
                }
                self.owner = owner;
            }
            Code::Draining | Code::RegistryUnavailable => {
                self.last = Some(error);
                self.is_stuck |= was_owner && self.is_owner_fresh;
                self.owner = None;
            }
            // Overload of the owner is told at once; one that has no room for more objects is not asked again.
            Code::NodeFull if !was_owner => self.last = Some(error),
            Code::StoreUnavailable | Code::CommitRefused if self.doubts < DOUBTS_MAX => {
                self.doubts += 1;
                self.last = Some(error);
                self.owner = None;
            }
            _ => return self.finish(error),
        }
        None
    }

    /// A node could not be reached, or was lost.
    fn lost(&mut self, node: &NodeId, why: &str) {
        let error = Error::new(Code::NotOwner, why);
        let was_owner = self.is_owner_asked;
        let error = if was_owner { error.with_owner(node.clone()) } else { error };
        self.last = Some(again_later(error));
        self.is_stuck |= was_owner && self.is_owner_fresh && self.is_out_of_reach(node);
        self.owner = None;
    }

    /// Whether nobody can help while `owner` has its claim: it answered itself, or another node tried to reach it.
    fn is_out_of_reach(&self, owner: &NodeId) -> bool {
        let is_known = |asked: &Asked| asked.is_reached && (asked.node == *owner || !asked.is_here);
        self.asked.iter().any(is_known)
    }

    fn has_asked(&self, node: &NodeId) -> bool {
        self.asked.iter().any(|asked| asked.node == *node)
    }

    /// The last word, where there is none better.
    pub(super) fn give_up(&mut self) -> Box<Error> {
        let error = self.last.take().unwrap_or_else(|| {
            let text = format!("the time for the call to {} ran out before it began", self.id);
            again_later(Error::new(Code::DeadlineExceeded, text))
        });
        self.certain(error)
    }

    fn finish(&self, error: Box<Error>) -> Option<Answer> {
        Some(Err(self.certain(error)))
    }

    /// What may be said of the call, whose last attempt came to `error`.
    fn certain(&self, error: Box<Error>) -> Box<Error> {
        if self.is_uncertain && error.effect() == Effect::None {
            return self.unknown(&error.message);
        }
        error
    }

    fn unknown(&self, why: &str) -> Box<Error> {
        let text = format!("the call to {} may have taken effect: {why}", self.id);
        let hint = "repeat the call with the same Idempotency-Key to learn what became of it";
        Box::new(Error::new(Code::OutcomeUnknown, text).with_hint(hint))
    }
}

fn again_later(error: Error) -> Box<Error> {
    Box::new(error.with_retry_after(Duration::from_secs(1)))
}

/// Whether a call that was refused so may be taken by another node, or by the same one a little later.
pub(super) fn is_worth_another_try(error: &Error) -> bool {
    matches!(
        error.code,
        Code::NotOwner
            | Code::Draining
            | Code::RegistryUnavailable
            | Code::StoreUnavailable
            | Code::CommitRefused
            | Code::NodeFull
    )
}

#[cfg(test)]
mod tests;
