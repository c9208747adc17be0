//! Watching: finds the owner of a watched object again and again, and keeps the object's topic here fed.
//!
//! Whoever listens does so at the node they are connected with. Where that is the owner, its commits feed the topic;
//! where not, one stream from the owner does, for all who listen here. When the owner changes or does not answer, the
//! object is looked for as by any call, and the stream goes on from the last event that was seen; what cannot be told
//! any more becomes a `reset`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use rand::RngExt as _;

use super::Router;
use super::context::Context;
use crate::activation::{Call, Consistency, Operation, Precondition};
use crate::caller::Caller;
use crate::clock::BootTime;
use crate::error::{Code, Error};
use crate::events::Hub;
use crate::events::event_id::EventId;
use crate::events::listener::{Listener, Span};
use crate::events::topic::Topic;
use crate::id::{NodeId, ObjectId};
use crate::origin::Origin;
use crate::registry::members::PROTOCOL;

/// How long looking for an owner may take at a time.
const FIND_PATIENCE: Duration = Duration::from_secs(5);
/// First pause before the owner is looked for again; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A topic is kept for one to two of these after the last has gone, so that who comes back can resume.
const LINGER: Duration = Duration::from_secs(30);

/// Where an object was found.
#[derive(Debug)]
struct Found {
    version: u64,
    /// The data of a `reset`.
    stand: Bytes,
    /// The node that owns it, where that is another one.
    owner: Option<NodeId>,
    /// Activations on this node that were over before it was looked for.
    endings: u64,
}

impl Router {
    /// Listens to the object that `call` asks for its stand: from after `after`, or from where it stands.
    ///
    /// For another node, as `context` tells, only the owner listens, and only as long as it is the owner.
    ///
    /// # Errors
    /// As [`Router::call`], and [`Code::NotOwner`] where the owner does not tell of the object in the call's time.
    ///
    /// # Cancel safety
    /// The object may have become active all the same.
    pub async fn watch(
        self: &Arc<Self>,
        id: &ObjectId,
        call: Call,
        after: Option<EventId>,
        context: Context,
    ) -> Result<Listener, Box<Error>> {
        // Before the version is asked for: a change is then in the answer, or seen here.
        let mut seat = self.node.hub().seat(id);
        let topic = Arc::clone(seat.topic());
        let span = if context.hops > 0 { Span::Activation } else { Span::Always };
        let is_behind = |head: EventId| after.is_some_and(|after| after > head);
        let is_at_hand = topic.is_fed() && topic.head().is_some_and(|head| !is_behind(head));
        let mut after = after;
        if span == Span::Activation || !is_at_hand {
            let found = self.find(&topic, seat.endings(), &call, context).await?;
            if let (Span::Activation, Some(owner)) = (span, &found.owner) {
                let text = format!("{id} is not watched here: the node {owner} owns it");
                return Err(Box::new(Error::new(Code::NotOwner, text).with_owner(owner.clone())));
            }
            // Nobody can have seen more than there is, but of another history.
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
                Ok(listener) => return Ok(listener),
                Err(seat) => seat,
            };
            let patience = call.deadline.since(BootTime::now());
            if tokio::time::timeout(patience, topic.placed()).await.is_err() {
                let text = format!("the owner of {id} did not tell of it in time");
                let error = Error::new(Code::NotOwner, text);
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
        Ok(Found { version: done.version, stand: done.reply, owner: answered.owner, endings })
    }

    /// Passes on what another node tells, until it tells no more. `false` where it told nothing.
    async fn hear(&self, owner: &NodeId, topic: &Topic) -> bool {
        let member = self.look().members.find(owner).cloned();
        let Some(member) = member.filter(|member| member.protocol == PROTOCOL) else {
            return false;
        };
        let begun = self.peers.watch(&member, topic.id(), topic.head(), FIND_PATIENCE).await;
        let mut events = match begun {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                tracing::debug!(object = %topic.id(), node = %owner, %error, "an object is not watched");
                return false;
            }
            Err(failure) => {
                tracing::debug!(object = %topic.id(), node = %owner, %failure, "an object is not watched");
                return false;
            }
        };
        let mut has_heard = false;
        let mut departure = std::pin::pin!(self.departure(owner));
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = departure.as_mut() => None,
            };
            match event {
                Some(Ok(frame)) => topic.take(frame),
                Some(Err(why)) => {
                    tracing::debug!(object = %topic.id(), node = %owner, why, "a stream of events ended");
                    return has_heard;
                }
                None => return has_heard,
            }
            has_heard = true;
        }
    }
}

/// Feeds a topic until nobody has listened to it for a while.
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

/// Follows an object from owner to owner, as long as this node is there.
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
            // Many who lost the same owner do not come all at once.
            let part = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(pause.mul_f64(part)).await;
            pause = (pause * 2).min(PAUSE_MAX);
            let Some(router) = router.upgrade() else { return };
            let call = look();
            match Box::pin(router.find(&topic, topic.endings(), &call, Context::default())).await {
                Ok(found) => break found,
                Err(error) => {
                    tracing::debug!(object = %topic.id(), %error, "a watched object was not found");
                }
            }
        };
    }
}

/// Returns when nobody has listened for a while.
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

/// Asks an object where it stands, in this node's own name.
fn look() -> Call {
    Call {
        operation: Operation::Watch { shows_state: true },
        origin: Origin::default(),
        caller: Caller::Anonymous,
        precondition: Precondition::None,
        key: None,
        consistency: Consistency::Lease,
        deadline: BootTime::now() + FIND_PATIENCE,
    }
}

#[cfg(test)]
mod tests;
