//! Somebody who listens: a place in a topic, and what comes next there.
//!
//! A listener holds no events of its own: it reads the topic's window, and whoever has not read an event when the
//! window drops it is too slow.

use std::sync::Arc;

use tokio::sync::watch;

use super::Hub;
use super::event_id::EventId;
use super::frame::Frame;
use super::topic::{Signs, Topic};
use super::window::Start;

/// A place in a topic, which keeps the object in use.
#[derive(Debug)]
pub struct Seat {
    topic: Arc<Topic>,
    hub: Arc<Hub>,
    signs: watch::Receiver<Signs>,
    endings: u64,
}

/// Until when somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Wherever the object goes.
    Always,
    /// As long as the activation lasts that was there when the place was taken.
    Activation,
}

/// Why a listener hears nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It did not read events before they had to make room for others.
    TooSlow,
    /// The activation on this node is over.
    Moved,
}

impl End {
    /// The reason in a word.
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

    /// Activations on this node that were over when the place was taken.
    #[must_use]
    pub fn endings(&self) -> u64 {
        self.endings
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    /// Listens from after `after`, or from where the object stands. Gives the seat back until that is known.
    ///
    /// # Errors
    /// The seat, until it is known where the object stands.
    pub fn listen(self, after: Option<EventId>, span: Span) -> Result<Listener, Self> {
        let Some(start) = self.topic.start(after) else { return Err(self) };
        let (next, first) = match start {
            Start::At(count) => (count, None),
            Start::Reset(count, frame) => (count, Some(Arc::new(frame))),
        };
        let skipped = if first.is_none() { after } else { None };
        Ok(Listener { seat: self, next, first, skipped, span })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.topic.stand_up();
        self.hub.metrics.watchers.dec();
        // Whoever feeds a topic closes it too, a while after the last has gone.
        if !self.topic.is_fed() {
            self.hub.close(&self.topic);
        }
    }
}

/// Somebody who listens to one object.
#[derive(Debug)]
pub struct Listener {
    seat: Seat,
    /// What is read next, as the topic counts.
    next: u64,
    first: Option<Arc<Frame>>,
    /// What the listener has seen elsewhere, which may be more than this node.
    skipped: Option<EventId>,
    span: Span,
}

impl Listener {
    /// The next event, or that there is none any more.
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
                // The topic is the seat's own, and its sender with it.
                return std::future::pending().await;
            }
        }
    }

    fn look(&mut self) -> Result<Option<Arc<Frame>>, End> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        // What is published after this look changes it again.
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
