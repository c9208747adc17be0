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
/// Largest argument of a call.
pub const ARGUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Largest reply of a call.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
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
