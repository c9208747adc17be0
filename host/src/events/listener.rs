//! A subscriber of a topic: its seat and its position in the event stream.
//!
//! A listener has no queue: it reads the topic's window. A listener that has not read an event before the window
//! drops it is too slow.

use std::sync::Arc;

use highlander_core::caller::Caller;
use highlander_core::events::event_id::EventId;
use highlander_core::events::frame::Frame;
use highlander_core::events::window::Start;
use highlander_core::id::ObjectId;
use tokio::sync::watch;

use super::Hub;
use super::topic::{Signs, Topic};

/// Place of a client among the watchers of this node, until it is dropped.
#[derive(Debug)]
pub struct Place {
    pub(super) hub: Arc<Hub>,
    pub(super) caller: Caller,
    pub(super) id: ObjectId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.watchers.lock().leave(&self.caller, &self.id);
    }
}

/// Reserved seat in a topic. It keeps the object in use.
#[derive(Debug)]
pub struct Seat {
    topic: Arc<Topic>,
    hub: Arc<Hub>,
    signs: watch::Receiver<Signs>,
    endings: u64,
}

/// Lifetime of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The subscription follows the object to any owner.
    Always,
    /// The subscription ends with the activation that existed when the seat was reserved.
    Activation,
}

/// Reason for the end of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The listener did not read events before the window dropped them.
    TooSlow,
    /// The activation on this node has ended.
    Moved,
}

impl End {
    /// Returns the reason as a string.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooSlow => "too-slow",
            Self::Moved => "moved",
        }
    }
}

impl Seat {
    pub(super) fn new(topic: Arc<Topic>, hub: Arc<Hub>) -> Self {
        topic.sit_down();
        hub.metrics.watchers.inc();
        let signs = topic.signs();
        let endings = signs.borrow().endings;
        Self { topic, hub, signs, endings }
    }

    /// Returns the number of activations on this node that had ended when the seat was reserved.
    #[must_use]
    pub fn endings(&self) -> u64 {
        self.endings
    }

    /// Returns the topic.
    #[must_use]
    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    /// Subscribes after the event `after`, or from the object's current state.
    ///
    /// # Errors
    /// Returns the seat if the object's current state is not available yet.
    pub fn listen(self, after: Option<EventId>, span: Span) -> Result<Listener, Self> {
        let Some(start) = self.topic.start(after) else { return Err(self) };
        let (next, first) = match start {
            Start::At(count) => (count, None),
            Start::Reset(count, frame) => (count, Some(Arc::new(frame))),
        };
        let skipped = if first.is_none() { after } else { None };
        Ok(Listener { seat: self, next, first, skipped, span, _place: None })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.topic.stand_up();
        self.hub.metrics.watchers.dec();
        // The task that feeds a topic also closes it, a while after the last listener has left.
        if !self.topic.is_fed() {
            self.hub.close(&self.topic);
        }
    }
}

/// Subscriber of one object's events.
#[derive(Debug)]
pub struct Listener {
    seat: Seat,
    /// Position of the next event to read in the topic.
    next: u64,
    first: Option<Arc<Frame>>,
    /// Newest event that the listener has already seen on another node; it may be newer than this node's.
    skipped: Option<EventId>,
    span: Span,
    _place: Option<Place>,
}

impl Listener {
    /// Returns the listener with the place that it takes on this node.
    #[must_use]
    pub fn with_place(self, place: Option<Place>) -> Self {
        Self { _place: place, ..self }
    }

    /// Waits for the next event, or returns the reason for the end of the subscription.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn next(&mut self) -> Result<Arc<Frame>, End> {
        loop {
            if let Some(found) = self.look()? {
                self.seat.hub.metrics.events_sent.inc();
                return Ok(found);
            }
            if self.seat.signs.changed().await.is_err() {
                // Unreachable: the seat owns the topic, and with it the sender.
                return std::future::pending().await;
            }
        }
    }

    fn look(&mut self) -> Result<Option<Arc<Frame>>, End> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        // Marked as seen before the window is read, so that a later event triggers another read.
        let endings = self.seat.signs.borrow_and_update().endings;
        loop {
            let Ok(found) = self.seat.topic.get(self.next) else {
                self.seat.hub.metrics.slow_watchers.inc();
                return Err(End::TooSlow);
            };
            let Some(frame) = found else { break };
            self.next += 1;
            if self.skipped.is_none_or(|skipped| frame.id > Some(skipped)) {
                return Ok(Some(frame));
            }
        }
        if self.span == Span::Activation && endings != self.seat.endings {
            return Err(End::Moved);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
