//! What a record holds of an object's dealings with other objects and with time: alarms, messages.
//! Plain data; what becomes of it is decided in the activation.

use std::sync::Arc;

use super::WriteId;
use crate::effects::{Alarm, Message};
use crate::id::ObjectId;

/// An object's dealings. Most objects have none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dealings {
    /// The alarms that are set, by name; none where none is.
    pub alarms: Option<Arc<[Alarm]>>,
    /// One-time alarms that were given up, oldest first.
    pub failed: Vec<FailedAlarm>,
    /// The number of the newest of those that there ever was; 0 before the first.
    pub failures: u64,
    /// The number of the newest message that it sent; 0 before the first.
    pub sent: u64,
    /// Messages that are not known to be delivered, oldest first.
    pub outbox: Vec<Pending>,
    /// Messages that were given up, oldest first.
    pub dead: Vec<DeadLetter>,
    /// The newest message of each sender, the one heard of last at the end.
    pub received: Vec<Received>,
    /// Its entry in the index of objects that are to be woken.
    pub wake: Option<Wake>,
}

/// A message that is not known to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number: those to one receiver rise.
    pub number: u64,
    /// What it says.
    pub message: Message,
    /// How often its receiver refused it, or failed.
    pub tries: u32,
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The number that it had.
    pub number: u64,
    /// What it says.
    pub message: Message,
    /// Why it was given up.
    pub why: Arc<str>,
    /// When, in milliseconds since 1970-01-01 00:00 UTC.
    pub time_ms: u64,
}

/// An alarm that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAlarm {
    /// What tells it from every other one that the object ever had: its name may be in use again.
    pub number: u64,
    /// What it calls, when it was due, and why it failed.
    pub alarm: Alarm,
    /// When it was given up, in milliseconds since 1970-01-01 00:00 UTC.
    pub time_ms: u64,
}

/// The newest message of one sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The sender.
    pub sender: ObjectId,
    /// The message's number.
    pub number: u64,
    /// When, in the receiver's own time.
    pub time_ms: u64,
}

/// An entry in the index of objects that are to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// When: minutes since 1970-01-01 00:00 UTC.
    pub minute: u64,
    /// What tells it from every other entry that the object ever had.
    pub mark: WriteId,
}
