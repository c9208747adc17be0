//! Bounds that hold everywhere and are not configuration: each has its unit in its name.
//!
//! What an operator may set is in `config.rs`; what a format fixes is beside that format.

use std::time::Duration;

/// Longest name of an object type.
pub const TYPE_NAME_BYTES_MAX: usize = 63;
/// Longest key of an object, in UTF-8.
pub const KEY_BYTES_MAX: usize = 256;
/// Longest name of a handler.
pub const HANDLER_NAME_BYTES_MAX: usize = 63;
/// Most handlers that a type may have.
pub const HANDLER_COUNT_MAX: usize = 256;
/// Largest description of a component in all: its schemas, its documentation and its names.
pub const DESCRIPTION_BYTES_MAX: usize = 1024 * 1024;
/// Objects and arrays within each other in one schema. Many parsers of JSON stop at 64 or 128 levels, and a schema
/// stands some levels deep in the documents that hold it.
pub const SCHEMA_DEPTH_MAX: usize = 48;
/// Largest record of a type, with all its revisions.
pub const TYPE_RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest argument of a call.
pub const ARGUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Largest reply of a call.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// Largest detail of a rejection.
pub const REJECTION_DETAIL_BYTES_MAX: usize = 16 * 1024;
/// Largest value that `state_max` may be set to.
pub const STATE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// Keyed calls that an object remembers at most.
pub const ANSWERED_COUNT_MAX: usize = 4096;
/// Keyed calls whose whole answer is kept at most.
pub const ANSWERED_REPLY_COUNT_MAX: usize = 128;
/// Bytes of kept answers at most, in all.
pub const ANSWERED_REPLY_BYTES_MAX: usize = 64 * 1024;
/// How long a keyed call is remembered, in the object's own time.
pub const ANSWERED_RETENTION: Duration = Duration::from_mins(10);
/// (version, write id) pairs that a record remembers.
pub const RECENT_WRITES_MAX: usize = 8;
/// Calls that have run and wait for one commit at most; past it no further call is begun.
pub const AWAITING_COMMIT_MAX: usize = 1024;
/// How long a call may wait for room in a full mailbox before it is answered "mailbox full".
pub const LOBBY_WAIT: Duration = Duration::from_millis(50);
/// After so long it is looked for a circle of waiting, where a call waits for an object that waits itself. Most such
/// waits are over sooner.
pub const LOOK_AFTER: Duration = Duration::from_millis(20);
/// Longest pause between two such looks; it doubles from one to the next.
pub const LOOK_PAUSE_MAX: Duration = Duration::from_millis(320);
/// A write that took at least this long is worth gathering calls for the next one.
pub const GATHER_FROM: Duration = Duration::from_millis(8);
/// How long calls are gathered at most, as a part of what the last write took.
pub const GATHER_DIVISOR: u32 = 8;
/// How long calls are gathered at most.
pub const GATHER_MAX: Duration = Duration::from_millis(5);
/// Calls that may wait for room in a full mailbox, as a multiple of the mailbox's length.
pub const LOBBY_FACTOR: usize = 16;
/// First pause before an undecided write is sent again; it doubles up to [`RETRY_PAUSE_MAX`].
pub const RETRY_PAUSE_MIN: Duration = Duration::from_millis(20);
/// Longest pause before an undecided write is sent again.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);
/// First pause in which a quarantined object is not run; it doubles up to [`QUARANTINE_MAX`].
pub const QUARANTINE_MIN: Duration = Duration::from_secs(10);
/// Longest pause in which a quarantined object is not run.
pub const QUARANTINE_MAX: Duration = Duration::from_mins(10);
/// Longest time that a caller may ask for.
pub const CALL_TIMEOUT_MAX: Duration = Duration::from_mins(5);
/// Longest page of a listing.
pub const LIST_COUNT_MAX: usize = 1000;
/// Objects that may be in a chain of calls, with the one that is called last.
pub const CHAIN_LEN_MAX: usize = 16;
/// Messages that a handler may send within one call.
pub const MESSAGES_PER_CALL_MAX: usize = 256;
/// Largest argument of a message.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Undelivered messages that an object may have.
pub const OUTBOX_COUNT_MAX: usize = 1024;
/// Bytes of the arguments of undelivered messages at most, in all.
pub const OUTBOX_BYTES_MAX: usize = 1024 * 1024;
/// How often a message is tried that its receiver refuses, or fails at.
pub const MESSAGE_TRIES_MAX: u32 = 5;
/// Dead letters that an object keeps; beyond it the oldest are dropped.
pub const DEAD_LETTERS_MAX: usize = 256;
/// Receivers to whom an object delivers at the same time.
pub const DELIVERIES_MAX: usize = 32;
/// First pause before a message is tried again; it doubles up to [`DELIVERY_PAUSE_MAX`].
pub const DELIVERY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause before a message is tried again.
pub const DELIVERY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long one delivery of a message may take.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Senders of whom a receiver remembers the newest message at most.
pub const SENDERS_MAX: usize = 1024;
/// Alarms that an object may have set.
pub const ALARMS_MAX: usize = 64;
/// Longest name of an alarm.
pub const ALARM_NAME_BYTES_MAX: usize = 64;
/// Largest argument of an alarm.
pub const ALARM_BYTES_MAX: usize = 16 * 1024;
/// Shortest time from one firing of a repeating alarm to the next.
pub const ALARM_EVERY_MIN: Duration = Duration::from_secs(1);
/// Alarms that were given up, and that an object keeps; beyond it the oldest are dropped.
pub const FAILED_ALARMS_MAX: usize = 64;
/// How often an alarm is given whose handler fails, before it is given up, or passed over until its next time.
pub const ALARM_TRIES_MAX: u32 = 8;
/// First pause before an alarm is given again whose handler failed; it doubles up to [`ALARM_PAUSE_MAX`].
pub const ALARM_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause before an alarm is given again.
pub const ALARM_PAUSE_MAX: Duration = Duration::from_mins(10);
/// Events that a handler may publish within one call.
pub const EVENTS_PER_CALL_MAX: usize = 64;
/// Bytes of the events of one call at most, in all.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;
