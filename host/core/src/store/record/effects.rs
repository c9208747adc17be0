//! Durable effects in a record: an object's alarms and messages. Plain data; the activation implements the rules.

use std::sync::Arc;

use super::WriteId;
use crate::effects::{Alarm, Message};
use crate::id::ObjectId;

/// An object's durable effects. Most objects have none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DurableEffects {
    /// The alarms that are set, sorted by name; `None` if no alarm is set.
    pub alarms: Option<Arc<[Alarm]>>,
    /// One-time alarms that failed permanently, oldest first.
    pub failed: Vec<FailedAlarm>,
    /// Number of the newest failed alarm so far; 0 before the first.
    pub failures: u64,
    /// Number of the newest message sent; 0 before the first.
    pub sent: u64,
    /// Outbox: messages without confirmed delivery, oldest first.
    pub outbox: Vec<Pending>,
    /// Dead letters: messages that were given up, oldest first.
    pub dead: Vec<DeadLetter>,
    /// Newest message of each sender. The sender heard from most recently is last.
    pub received: Vec<Received>,
    /// Entry in the wake-up index.
    pub wake: Option<WakeupEntry>,
}

/// Message without confirmed delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Number of the message. The numbers of messages to one receiver rise.
    pub number: u64,
    /// The message.
    pub message: Message,
    /// Number of times that the receiver rejected it or failed.
    pub tries: u32,
}

/// Message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Number of the message.
    pub number: u64,
    /// The message.
    pub message: Message,
    /// Reason why it was given up.
    pub why: Arc<str>,
    /// Time at which it was given up, in milliseconds since 1970-01-01 00:00 UTC.
    pub time_ms: u64,
}

/// Alarm that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAlarm {
    /// Number that is unique among all failed alarms of the object. The alarm's name may be in use again.
    pub number: u64,
    /// The alarm, with its handler, its due time and the failure.
    pub alarm: Alarm,
    /// Time at which it was given up, in milliseconds since 1970-01-01 00:00 UTC.
    pub time_ms: u64,
}

/// Newest message of one sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The sender.
    pub sender: ObjectId,
    /// Number of the message.
    pub number: u64,
    /// Time of receipt in the receiver's own time.
    pub time_ms: u64,
}

/// Entry in the wake-up index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WakeupEntry {
    /// Due minute, counted since 1970-01-01 00:00 UTC.
    pub minute: u64,
    /// Nonce that distinguishes the entry from every other entry of the object.
    pub nonce: WriteId,
}
