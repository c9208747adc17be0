//! Fixed limits, each with its unit in its name.
//!
//! Limits that an operator can change are in `config.rs`; those fixed by a format are defined with the format.

use std::time::Duration;

/// Maximum length of a type name.
pub const TYPE_NAME_BYTES_MAX: usize = 63;
/// Maximum length of an object's key, in UTF-8.
pub const KEY_BYTES_MAX: usize = 256;
/// Maximum length of a handler name.
pub const HANDLER_NAME_BYTES_MAX: usize = 63;
/// Maximum number of handlers of a type.
pub const HANDLER_COUNT_MAX: usize = 256;
/// Maximum size of a component's description: schemas, documentation and names together.
pub const DESCRIPTION_BYTES_MAX: usize = 1024 * 1024;
/// Maximum nesting of objects and arrays in a schema. Many JSON parsers stop at 64 or 128 levels, and the
/// documents that contain a schema add some levels.
pub const SCHEMA_DEPTH_MAX: usize = 48;
/// Maximum size of a type's record, with all its revisions.
pub const TYPE_RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Maximum size of a call's argument.
pub const ARGUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Maximum size of a call's reply.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// Maximum size of a rejection's detail.
pub const REJECTION_DETAIL_BYTES_MAX: usize = 16 * 1024;
/// Maximum value of the setting `objects.state_max`.
pub const STATE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Maximum length of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
/// Maximum number of entries in an object's idempotency cache.
pub const ANSWERED_COUNT_MAX: usize = 4096;
/// Maximum number of idempotency entries that keep the whole reply.
pub const ANSWERED_REPLY_COUNT_MAX: usize = 128;
/// Maximum total size of the replies in an idempotency cache.
pub const ANSWERED_REPLY_BYTES_MAX: usize = 64 * 1024;
/// Retention of an idempotency entry, in the object's own time.
pub const ANSWERED_RETENTION: Duration = Duration::from_mins(10);
/// Number of (version, write id) pairs that a record keeps.
pub const RECENT_WRITES_MAX: usize = 8;
/// Maximum number of executed calls waiting for one commit; at this limit, no further call starts.
pub const AWAITING_COMMIT_MAX: usize = 1024;
/// Maximum wait for room in a full mailbox before a call is rejected with "mailbox full".
pub const OVERFLOW_WAIT: Duration = Duration::from_millis(50);
/// Delay before deadlock detection starts for a call that waits for a waiting object. Most such waits end sooner.
pub const LOOK_AFTER: Duration = Duration::from_millis(20);
/// Maximum pause between two deadlock checks; the pause doubles after each check.
pub const LOOK_PAUSE_MAX: Duration = Duration::from_millis(320);
/// Minimum duration of a write after which calls are batched for the next one.
pub const GATHER_FROM: Duration = Duration::from_millis(8);
/// Divisor of the last write's duration that yields the maximum batching window.
pub const GATHER_DIVISOR: u32 = 8;
/// Maximum batching window.
pub const GATHER_MAX: Duration = Duration::from_millis(5);
/// Maximum number of calls that wait for room in a full mailbox, as a multiple of the mailbox's length.
pub const OVERFLOW_FACTOR: usize = 16;
/// First backoff before an undecided write is sent again; it doubles up to [`RETRY_PAUSE_MAX`].
pub const RETRY_PAUSE_MIN: Duration = Duration::from_millis(20);
/// Maximum backoff before an undecided write is sent again.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);
/// First period for which a quarantined object is not run; it doubles up to [`QUARANTINE_MAX`].
pub const QUARANTINE_MIN: Duration = Duration::from_secs(10);
/// Maximum period for which a quarantined object is not run.
pub const QUARANTINE_MAX: Duration = Duration::from_mins(10);
/// Timeout of a call whose caller sets none, by default.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum timeout that a caller may request.
pub const CALL_TIMEOUT_MAX: Duration = Duration::from_mins(5);
/// Maximum number of keys on one page of a listing.
pub const LIST_COUNT_MAX: usize = 1000;
/// Maximum number of objects in a call chain, including the callee.
pub const CHAIN_LEN_MAX: usize = 16;
/// Maximum number of messages that a handler may send in one call.
pub const MESSAGES_PER_CALL_MAX: usize = 256;
/// Maximum size of a message's argument.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Maximum number of an object's undelivered messages.
pub const OUTBOX_COUNT_MAX: usize = 1024;
/// Maximum total size of the arguments of an object's undelivered messages.
pub const OUTBOX_BYTES_MAX: usize = 1024 * 1024;
/// Maximum number of attempts for a message that its receiver rejects or fails to handle.
pub const MESSAGE_TRIES_MAX: u32 = 5;
/// Maximum number of dead letters of an object; beyond it, the oldest are dropped.
pub const DEAD_LETTERS_MAX: usize = 256;
/// Maximum number of receivers to which an object delivers concurrently.
pub const DELIVERIES_MAX: usize = 32;
/// First backoff before a message is sent again; it doubles up to [`DELIVERY_PAUSE_MAX`].
pub const DELIVERY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Maximum backoff before a message is sent again.
pub const DELIVERY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Timeout of one message delivery.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of senders whose newest message number a receiver keeps.
pub const SENDERS_MAX: usize = 1024;
/// Maximum number of an object's scheduled alarms.
pub const ALARMS_MAX: usize = 64;
/// Maximum length of an alarm's name.
pub const ALARM_NAME_BYTES_MAX: usize = 64;
/// Maximum size of an alarm's argument.
pub const ALARM_BYTES_MAX: usize = 16 * 1024;
/// Minimum interval of a repeating alarm.
pub const ALARM_EVERY_MIN: Duration = Duration::from_secs(1);
/// Maximum number of failed alarms that an object keeps; beyond it, the oldest are dropped.
pub const FAILED_ALARMS_MAX: usize = 64;
/// Maximum number of attempts for an alarm whose handler fails. After the last one, the alarm is marked as failed,
/// or a repeating alarm skips to its next time.
pub const ALARM_TRIES_MAX: u32 = 8;
/// Shortest time between an alarm and one that its handler sets. Without it, an alarm that sets itself for the past
/// would keep a node busy.
pub const ALARM_FLOOR: Duration = Duration::from_secs(1);
/// First backoff before a failed alarm fires again; it doubles up to [`ALARM_PAUSE_MAX`].
pub const ALARM_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Maximum backoff before a failed alarm fires again.
pub const ALARM_PAUSE_MAX: Duration = Duration::from_mins(10);
/// Maximum number of events that a handler may publish in one call.
pub const EVENTS_PER_CALL_MAX: usize = 64;
/// Maximum total size of the events of one call.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;
