//! Routing policy: a pure function of the attempts so far, their results, and the current view of the cluster.
//!
//! There is no I/O, no clock and no source of randomness. The router executes the step that [`RoutePlan::next`]
//! returns and passes its result to [`RoutePlan::take`]. A call is repeated only if it provably was not executed, or
//! if it is safe to repeat: a query, or a call with an idempotency key. Once a keyed update may have taken effect,
//! no later rejection of it proves "not executed" (guarantee S6).

use std::time::Duration;

use crate::activation::Answer;
use crate::clock::BootTime;
use crate::error::{Effect, Error, ErrorCode};
use crate::id::{NodeId, ObjectId};
use crate::placement;
use crate::registry::claims::ClaimKey;
use crate::registry::members::{Member, Members, PROTOCOL};

/// A call that arrives with this many hops is not forwarded again.
pub const HOPS_MAX: u8 = 2;
/// Maximum number of nodes tried between two pauses.
const TRIED_MAX: usize = 4;
/// First pause before a new round of attempts; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Part of a call's time that is reserved for its last attempt.
const LAST_ATTEMPT: Duration = Duration::from_millis(20);
/// Maximum number of retries after a rejection that may be permanent.
const DOUBTS_MAX: u8 = 2;

/// View of the cluster at the moment of a decision.
#[derive(Debug, Clone, Copy)]
pub struct RouteContext<'a> {
    /// This node.
    pub me: &'a NodeId,
    /// Live nodes, as this node sees them.
    pub members: &'a Members,
    /// Whether the object is active here.
    pub is_active: bool,
    /// The current instant.
    pub now: BootTime,
    /// Random number that jitters pauses.
    pub random: u32,
}

/// Next step of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextHop {
    /// Call the object on this node.
    Here,
    /// Forward the call to this node.
    Forward(Member),
    /// Wait for this time, or until the members change.
    Pause(Duration),
    /// Return this error.
    Answer(Box<Error>),
}

/// Result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// An answer, from this node or the node that was called.
    Answered(Answer),
    /// Nothing reached the node.
    NotSent(String),
    /// The call may or may not have been executed. A query has no effect either way.
    Interrupted {
        /// Reason of the interruption.
        why: String,
        /// Whether the call is a query.
        is_query: bool,
    },
    /// The limit of concurrent calls to the node is reached.
    AtCapacity,
}

/// Call that a node has to route.
#[derive(Debug)]
pub struct ArrivedCall {
    /// Called object.
    pub id: ObjectId,
    /// Claim key of the object.
    pub key: ClaimKey,
    /// Number of nodes that have forwarded the call.
    pub hops: u8,
    /// Time at which the caller stops waiting.
    pub deadline: BootTime,
    /// Whether the call has an idempotency key, so that it may be repeated although it may have been executed.
    pub is_keyed: bool,
}

/// Node on which a step ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// This node.
    Here,
    /// Another node, to which the call was forwarded.
    Forwarded,
}

/// A node that was tried since the last pause.
#[derive(Debug)]
struct TriedNode {
    node: NodeId,
    hop: Hop,
    /// Whether it answered.
    is_reached: bool,
}

/// Routing state of one call.
#[derive(Debug)]
pub struct RoutePlan {
    id: ObjectId,
    key: ClaimKey,
    hops: u8,
    deadline: BootTime,
    is_keyed: bool,
    /// Presumed owner of the object.
    owner: Option<NodeId>,
    /// Whether a node named the owner just now.
    is_owner_fresh: bool,
    tried: Vec<TriedNode>,
    /// Whether the node being tried is the presumed owner.
    is_trying_owner: bool,
    /// No other node can answer until the current owner releases or loses its claim.
    is_stuck: bool,
    forwards: u8,
    pause: Duration,
    doubts: u8,
    /// An update was interrupted, and may have taken effect.
    is_uncertain: bool,
    last: Option<Box<Error>>,
}

impl RoutePlan {
    /// Creates the routing state of a call; `owner` is the cached owner of the object.
    pub fn new(call: ArrivedCall, owner: Option<NodeId>) -> Self {
        let ArrivedCall { id, key, hops, deadline, is_keyed } = call;
        Self {
            id,
            key,
            hops,
            deadline,
            is_keyed,
            owner,
            is_owner_fresh: false,
            tried: Vec::new(),
            is_trying_owner: false,
            is_stuck: false,
            forwards: 0,
            pause: PAUSE_MIN,
            doubts: 0,
            is_uncertain: false,
            last: None,
        }
    }

    /// Returns the next step.
    pub fn next(&mut self, view: RouteContext<'_>) -> NextHop {
        if view.now >= self.deadline {
            return NextHop::Answer(self.give_up());
        }
        let step = self.candidate(view);
        if matches!(step, Some(NextHop::Forward(_))) {
            self.forwards = self.forwards.saturating_add(1);
        }
        step.unwrap_or_else(|| self.pause(view))
    }

    /// Returns the next node to try, if any could answer now.
    fn candidate(&mut self, view: RouteContext<'_>) -> Option<NextHop> {
        self.is_trying_owner = true;
        let is_here_open = !self.has_tried(view.me);
        if view.is_active && is_here_open {
            return Some(NextHop::Here);
        }
        if let Some(owner) = self.owner.clone().filter(|owner| !self.has_tried(owner)) {
            if owner == *view.me {
                return Some(NextHop::Here);
            }
            match view.members.find(&owner).filter(|member| member.protocol == PROTOCOL) {
                Some(member) if self.may_forward() => {
                    return Some(NextHop::Forward(member.clone()));
                }
                // The owner has left the cluster; its claim is about to become free.
                None if self.is_owner_fresh => self.is_stuck = true,
                _ => {}
            }
        }
        if self.is_stuck {
            return None;
        }
        self.is_trying_owner = false;
        if self.hops > 0 {
            // The sender forwarded the call because this node should own the object.
            return is_here_open.then_some(NextHop::Here);
        }
        if self.tried.len() >= TRIED_MAX {
            return None;
        }
        let mut order = placement::order(self.key, view.members).peekable();
        if order.peek().is_none() {
            // If no node accepts objects, this node reports the reason.
            return is_here_open.then_some(NextHop::Here);
        }
        let member = order.find(|member| !self.has_tried(&member.node))?;
        let is_here = member.node == *view.me;
        Some(if is_here { NextHop::Here } else { NextHop::Forward(member.clone()) })
    }

    fn may_forward(&self) -> bool {
        self.hops == 0 || (self.hops < HOPS_MAX && self.forwards == 0)
    }

    /// Waits before a new round of attempts, if this node is the entry node and a retry in the remaining time can
    /// succeed.
    fn pause(&mut self, view: RouteContext<'_>) -> NextHop {
        let is_hopeless = self.last.as_ref().is_some_and(|error| match error.code {
            // Overload is reported at once instead of waited out.
            ErrorCode::NodeFull => true,
            // There is no other node to take the object.
            ErrorCode::Draining => {
                !placement::order(self.key, view.members).any(|member| member.node != *view.me)
            }
            _ => false,
        });
        let time_left = self.deadline.since(view.now).saturating_sub(LAST_ATTEMPT);
        // Earlier nodes on the call's path do the waiting, and have more nodes to choose from.
        if self.hops > 0 || is_hopeless || time_left.is_zero() {
            return NextHop::Answer(self.give_up());
        }
        let half = self.pause / 2;
        let jitter = half.mul_f64(f64::from(view.random) / f64::from(u32::MAX));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.tried.clear();
        (self.owner, self.is_owner_fresh, self.is_stuck) = (None, false, false);
        NextHop::Pause((half + jitter).min(time_left))
    }

    /// Records the result of the last step, which ran on `node`. Returns the answer to the caller if the result is
    /// final.
    pub fn take(&mut self, node: &NodeId, hop: Hop, came: Attempt) -> Option<Answer> {
        let is_reached = matches!(came, Attempt::Answered(_));
        self.tried.push(TriedNode { node: node.clone(), hop, is_reached });
        match came {
            Attempt::Answered(Err(error)) if error.effect() == Effect::None => {
                self.refused(node, error)
            }
            Attempt::Answered(answer) => Some(answer),
            Attempt::NotSent(why) => {
                self.lost(node, &format!("the call to {} was not executed: {node} {why}", self.id));
                None
            }
            Attempt::Interrupted { why, is_query: true } => {
                self.lost(node, &format!("the call to {} got no response: {node} {why}", self.id));
                None
            }
            Attempt::Interrupted { why, .. } => {
                let text = format!("{node} {why}");
                if !self.is_keyed {
                    return Some(Err(self.unknown(&text)));
                }
                self.is_uncertain = true;
                self.lost(node, &text);
                None
            }
            Attempt::AtCapacity => {
                let text = format!(
                    "the call to {} was not executed: too many concurrent calls to {node}",
                    self.id
                );
                self.finish(again_later(Error::new(ErrorCode::NodeFull, text)))
            }
        }
    }

    /// Handles the error of a node that did not execute the call.
    fn refused(&mut self, node: &NodeId, error: Box<Error>) -> Option<Answer> {
        let was_owner = self.is_trying_owner;
        match error.code {
            ErrorCode::NotOwner => {
                let owner = error.owner.clone().filter(|owner| owner != node);
                self.last = Some(error);
                self.is_owner_fresh = owner.is_some();
                if let Some(owner) = &owner
                    && self.has_tried(owner)
                {
                    self.is_stuck = self.is_out_of_reach(owner);
                }
                self.owner = owner;
            }
            ErrorCode::Draining | ErrorCode::RegistryUnavailable => {
                self.last = Some(error);
                self.is_stuck |= was_owner && self.is_owner_fresh;
                self.owner = None;
            }
            // Overload of the owner is reported at once. Another node without room for more objects is not tried
            // again.
            ErrorCode::NodeFull if !was_owner => self.last = Some(error),
            ErrorCode::StoreUnavailable | ErrorCode::CommitRefused if self.doubts < DOUBTS_MAX => {
                self.doubts += 1;
                self.last = Some(error);
                self.owner = None;
            }
            _ => return self.finish(error),
        }
        None
    }

    /// Handles a node that is unreachable or was lost.
    fn lost(&mut self, node: &NodeId, why: &str) {
        let error = Error::new(ErrorCode::NotOwner, why);
        let was_owner = self.is_trying_owner;
        let error = if was_owner { error.with_owner(node.clone()) } else { error };
        self.last = Some(again_later(error));
        self.is_stuck |= was_owner && self.is_owner_fresh && self.is_out_of_reach(node);
        self.owner = None;
    }

    /// Whether no node can help while `owner` has its claim: the owner itself answered, or another node tried to
    /// reach it.
    fn is_out_of_reach(&self, owner: &NodeId) -> bool {
        let is_known = |asked: &TriedNode| {
            asked.is_reached && (asked.node == *owner || asked.hop == Hop::Forwarded)
        };
        self.tried.iter().any(is_known)
    }

    fn has_tried(&self, node: &NodeId) -> bool {
        self.tried.iter().any(|asked| asked.node == *node)
    }

    /// Returns the final error, if no better one is available.
    pub fn give_up(&mut self) -> Box<Error> {
        let error = self.last.take().unwrap_or_else(|| {
            let text = format!("the call to {} was not executed: its deadline passed", self.id);
            again_later(Error::new(ErrorCode::DeadlineExceeded, text))
        });
        self.certain(error)
    }

    fn finish(&self, error: Box<Error>) -> Option<Answer> {
        Some(Err(self.certain(error)))
    }

    /// Adjusts the last attempt's error to the certainty about the whole call.
    fn certain(&self, error: Box<Error>) -> Box<Error> {
        if self.is_uncertain && error.effect() == Effect::None {
            return self.unknown(&error.message);
        }
        error
    }

    fn unknown(&self, why: &str) -> Box<Error> {
        let text = format!("the call to {} may have taken effect: {why}", self.id);
        let hint = "repeat the call with the same Idempotency-Key to learn the outcome";
        Box::new(Error::new(ErrorCode::OutcomeUnknown, text).with_hint(hint))
    }
}

fn again_later(error: Error) -> Box<Error> {
    Box::new(error.with_retry_after(Duration::from_secs(1)))
}

/// Whether another node, or the same one a little later, may accept a call that was rejected with this error.
pub fn is_worth_another_try(error: &Error) -> bool {
    matches!(
        error.code,
        ErrorCode::NotOwner
            | ErrorCode::Draining
            | ErrorCode::RegistryUnavailable
            | ErrorCode::StoreUnavailable
            | ErrorCode::CommitRefused
            | ErrorCode::NodeFull
            | ErrorCode::NodeMemoryFull
    )
}

#[cfg(test)]
mod tests;
