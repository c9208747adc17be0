//! Effects of a handler other than its reply: messages, alarms, events.
//!
//! Pure values. They take effect atomically with the change of the call that produced them, or not at all.

use std::sync::Arc;

use bytes::Bytes;

use crate::id::ObjectId;

/// Effects of one call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// Messages, in the order in which they were sent.
    pub messages: Vec<Message>,
    /// Complete set of alarms after the call, if the call set or cancelled one.
    pub alarms: Option<Arc<[Alarm]>>,
    /// Events, in the order in which they were published.
    pub events: Vec<Event>,
}

/// Asynchronous call, sent after the commit, without a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Receiver.
    pub to: ObjectId,
    /// Handler to call.
    pub handler: Arc<str>,
    /// Argument, as JSON.
    pub argument: Bytes,
}

/// Call that an object schedules to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Name, unique within the object.
    pub name: Arc<str>,
    /// Next due time in milliseconds since 1970-01-01 00:00 UTC.
    pub due_ms: u64,
    /// Interval of a repeating alarm, in milliseconds.
    pub every_ms: Option<u64>,
    /// Handler to call.
    pub handler: Arc<str>,
    /// Argument, as JSON.
    pub argument: Bytes,
    /// Number of consecutive failures of the handler.
    pub tries: u32,
    /// Time before which the alarm does not fire, in milliseconds since 1970: after a failure, or because an alarm set
    /// it. 0 if there is none.
    pub retry_ms: u64,
    /// Reason for the last failure, until the handler succeeds again.
    pub failure: Option<Arc<str>>,
}

impl Alarm {
    /// Creates an alarm that calls `handler` at `due_ms` with `argument`, and then every `every_ms`, if given.
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

    /// Returns the time at which the alarm fires next.
    #[must_use]
    pub fn next_ms(&self) -> u64 {
        self.due_ms.max(self.retry_ms)
    }
}

/// Notification for the watchers of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Name of the event.
    pub name: Arc<str>,
    /// Data, as JSON.
    pub data: Bytes,
}

/// Trigger of a handler run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trigger {
    /// Call.
    #[default]
    Call,
    /// Message, with its number in the sender's sequence.
    Message(u64),
    /// Alarm of the object.
    Alarm {
        /// Name of the alarm.
        name: Arc<str>,
        /// Time at which the alarm was due.
        due_ms: u64,
    },
}
