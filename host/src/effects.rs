//! What a handler asks for besides its reply: messages, alarms, events.
//!
//! Pure values. They take effect together with the change of the call that asked for them, or not at all.

use std::sync::Arc;

use bytes::Bytes;

use crate::id::ObjectId;

/// What one call asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// Messages, in the order in which they were sent.
    pub messages: Vec<Message>,
    /// All alarms as the call left them, if it set or cancelled one.
    pub alarms: Option<Arc<[Alarm]>>,
    /// Events, in the order in which they were published.
    pub events: Vec<Event>,
}

/// A call that is made after the commit, and for whose reply nobody waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose handler is called.
    pub to: ObjectId,
    /// The handler.
    pub handler: Arc<str>,
    /// Its argument: JSON.
    pub argument: Bytes,
}

/// A call that an object has made to itself at a later time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Its name, unique within the object.
    pub name: Arc<str>,
    /// When it is due next: milliseconds since 1970-01-01 00:00 UTC.
    pub due_ms: u64,
    /// For a repeating one, milliseconds from one time to the next.
    pub every_ms: Option<u64>,
    /// The handler that is called.
    pub handler: Arc<str>,
    /// Its argument: JSON.
    pub argument: Bytes,
    /// How often in a row its handler has failed.
    pub tries: u32,
    /// When it is given again after that, in the same milliseconds; 0 where it has not failed.
    pub retry_ms: u64,
    /// Why its handler failed last, until it does its work again.
    pub failure: Option<Arc<str>>,
}

impl Alarm {
    /// An alarm that calls `handler` at `due_ms` with `argument`, and then every `every_ms`, if that is given.
    #[must_use]
    pub fn new(
        name: &str,
        due_ms: u64,
        every_ms: Option<u64>,
        handler: &str,
        argument: impl Into<Bytes>,
    ) -> Self {
        let (name, handler, argument) = (name.into(), handler.into(), argument.into());
        let (tries, retry_ms, failure) = (0, 0, None);
        Self { name, due_ms, every_ms, handler, argument, tries, retry_ms, failure }
    }

    /// When it is to be given.
    #[must_use]
    pub fn next_ms(&self) -> u64 {
        self.due_ms.max(self.retry_ms)
    }
}

/// News for those who watch an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub name: Arc<str>,
    /// JSON.
    pub data: Bytes,
}

/// Why a handler runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Occasion {
    /// Somebody called it.
    #[default]
    Called,
    /// A message, with its number among those of its sender.
    Message(u64),
    /// An alarm of the object's own.
    Alarm {
        /// Its name.
        name: Arc<str>,
        /// When it was due.
        due_ms: u64,
    },
}
