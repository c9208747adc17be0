//! Subscriptions: locates the owner of a watched object and keeps feeding the object's topic on this node.
//!
//! A client subscribes at the node that it is connected to. If that node is the owner, its commits feed the topic.
//! If not, a single stream from the owner feeds it, for all clients of this node. When the owner changes or does
//! not answer, it is located again as for any call. The stream then resumes after the last event seen, or with a
//! `reset` if events are no longer available.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use highlander_core::activation::{Call, Consistency, Operation, Precondition};
use highlander_core::call_context::Origin;
use highlander_core::caller::Caller;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::events::event_id::EventId;
use highlander_core::id::{NodeId, ObjectId};
use highlander_core::registry::members::PROTOCOL;
use highlander_system::clock;
use rand::RngExt as _;

use super::Router;
use super::context::Context;
use crate::events::Hub;
use crate::events::listener::{Listener, Span};
use crate::events::topic::Topic;

/// Time limit for one attempt to locate an owner.
const FIND_TIMEOUT: Duration = Duration::from_secs(5);
/// First pause before the owner is located again; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A topic is kept for one to two of these intervals after its last listener has left, so that a returning client
/// can resume.
const LINGER: Duration = Duration::from_secs(30);

/// Location of a watched object.
#[derive(Debug)]
struct Found {
    version: u64,
    /// The data of a `reset`.
    stand: Bytes,
    /// Node that owns the object, if it is another one.
    owner: Option<NodeId>,
    /// Number of activations on this node that had ended before the object was located.
    endings: u64,
}

impl Router {
    /// Subscribes to an object's events, after the event `after` or from its current state. `call` reads that
    /// state.
    ///
    /// A subscription from another node, according to `context`, is served only by the owner, and only while it
    /// stays the owner.
    ///
    /// # Errors
    /// The errors of [`Router::call`]; [`ErrorCode::NodeFull`] if too many clients watch objects through this node;
    /// [`ErrorCode::NotOwner`] if the owner sends nothing about the object by the
    /// call's deadline.
    ///
    /// # Cancel safety
    /// If the future is dropped, the object may have been activated.
    pub async fn watch(
        self: &Arc<Self>,
        id: &ObjectId,
        call: Call,
        after: Option<EventId>,
        context: Context,
    ) -> Result<Listener, Box<Error>> {
        // The streams of other nodes are limited there.
        let is_of_client = context.hops == 0;
        let place = is_of_client.then(|| self.node.hub().place(&call.caller, id)).transpose()?;
        // Taken before the version is read, so that each change is either in the answer or seen here.
        let mut seat = self.node.hub().seat(id);
        let topic = Arc::clone(seat.topic());
        let span = if context.hops > 0 { Span::Activation } else { Span::Always };
        let is_behind = |head: EventId| after.is_some_and(|after| after > head);
        let is_at_hand = topic.is_fed() && topic.head().is_some_and(|head| !is_behind(head));
        let mut after = after;
        if span == Span::Activation || !is_at_hand {
            let found = self.find(&topic, seat.endings(), &call, context).await?;
            if let (Span::Activation, Some(owner)) = (span, &found.owner) {
                let text = format!("{id} cannot be watched at this node: node {owner} owns it");
                return Err(Box::new(
                    Error::new(ErrorCode::NotOwner, text).with_owner(owner.clone()),
                ));
            }
            // An id beyond the current version belongs to another history.
            after = after.filter(|after| after.version() <= found.version);
            if found.owner.is_none() {
                topic.place(found.version, found.stand.clone());
            }
            if topic.begin_feeding() {
                let hub = Arc::clone(self.node.hub());
                tokio::spawn(feed(Arc::downgrade(self), hub, Arc::clone(&topic), found));
            }
        }
        loop {
            seat = match seat.listen(after, span) {
                Ok(listener) => return Ok(listener.with_place(place)),
                Err(seat) => seat,
            };
            let limit = call.deadline.since(clock::now());
            if tokio::time::timeout(limit, topic.placed()).await.is_err() {
                let text = format!("the owner of {id} did not respond in time");
                let error = Error::new(ErrorCode::NotOwner, text);
                return Err(Box::new(error.with_retry_after(Duration::from_secs(1))));
            }
        }
    }

    async fn find(
        &self,
        topic: &Topic,
        endings: u64,
        call: &Call,
        context: Context,
    ) -> Result<Found, Box<Error>> {
        let answered = self.route(topic.id(), call, context).await;
        let done = answered.answer?;
        let (version, stand) = (done.version, done.reply.into_json());
        Ok(Found { version, stand, owner: answered.owner, endings })
    }

    /// Feeds the topic from another node's stream until the stream ends. Returns `false` if no event arrived.
    async fn hear(&self, owner: &NodeId, topic: &Topic) -> bool {
        let member = self.cluster_view().members.find(owner).cloned();
        let Some(member) = member.filter(|member| member.protocol == PROTOCOL) else {
            return false;
        };
        let begun = self.peers.watch(&member, topic.id(), topic.head(), FIND_TIMEOUT).await;
        let mut events = match begun {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                tracing::debug!(object = %topic.id(), node = %owner, %error, "an object cannot be watched");
                return false;
            }
            Err(failure) => {
                tracing::debug!(object = %topic.id(), node = %owner, %failure, "an object cannot be watched");
                return false;
            }
        };
        let mut has_heard = false;
        let mut departure = std::pin::pin!(self.peer_left(owner));
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = departure.as_mut() => None,
            };
            match event {
                Some(Ok(frame)) => topic.take(frame),
                Some(Err(why)) => {
                    tracing::debug!(object = %topic.id(), node = %owner, why, "an event stream ended");
                    return has_heard;
                }
                None => return has_heard,
            }
            has_heard = true;
        }
    }
}

/// Feeds a topic until it has had no listener for a while.
async fn feed(router: Weak<Router>, hub: Arc<Hub>, topic: Arc<Topic>, found: Found) {
    let mut following = Box::pin(follow(router, Arc::clone(&topic), found));
    loop {
        tokio::select! {
            () = following.as_mut() => return,
            () = unheard(&topic) => {}
        }
        if hub.close(&topic) {
            return;
        }
    }
}

/// Follows an object from owner to owner while this node exists.
async fn follow(router: Weak<Router>, topic: Arc<Topic>, found: Found) {
    let (mut found, mut pause) = (found, PAUSE_MIN);
    loop {
        match &found.owner {
            None => {
                topic.place(found.version, found.stand.clone());
                topic.ending_after(found.endings).await;
                pause = PAUSE_MIN;
            }
            Some(owner) => {
                let Some(router) = router.upgrade() else { return };
                if Box::pin(router.hear(owner, &topic)).await {
                    pause = PAUSE_MIN;
                }
            }
        }
        found = loop {
            // Jitter, so that the nodes that lost the same owner do not return all at once.
            let part = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(pause.mul_f64(part)).await;
            pause = (pause * 2).min(PAUSE_MAX);
            let Some(router) = router.upgrade() else { return };
            let call = look();
            match Box::pin(router.find(&topic, topic.endings(), &call, Context::default())).await {
                Ok(found) => break found,
                Err(error) => {
                    tracing::debug!(object = %topic.id(), %error, "the owner of a watched object was not found");
                }
            }
        };
    }
}

/// Returns once the topic has had no listener for a while.
async fn unheard(topic: &Topic) {
    let mut quiet_since = None;
    loop {
        tokio::time::sleep(LINGER).await;
        topic.trim();
        let visits = topic.visit_count();
        quiet_since = match quiet_since {
            _ if topic.has_listeners() => None,
            Some(before) if before == visits => return,
            _ => Some(visits),
        };
    }
}

/// Creates the call that reads an object's current state, in this node's own name.
fn look() -> Call {
    Call {
        operation: Operation::Watch { publish_state: true },
        origin: Origin::default(),
        caller: Caller::Anonymous,
        precondition: Precondition::None,
        key: None,
        consistency: Consistency::Lease,
        deadline: clock::now() + FIND_TIMEOUT,
    }
}

#[cfg(test)]
mod tests;
