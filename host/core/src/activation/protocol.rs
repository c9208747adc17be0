//! Inputs and outputs of the machine.
//!
//! For each action that has a result, the task that acts for the object sends exactly one event: the one whose
//! comment names the action. Machine and task exchange nothing else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Answer, Call, Reason};
use crate::call_context::Origin;
use crate::call_context::chain::ChainAge;
use crate::caller::Caller;
use crate::clock::BootTime;
use crate::effects::{Alarm, Effects, Event as EventOfCall, Message, Trigger};
use crate::engine::{Fault, HandlerError, RestoreError};
use crate::error;
use crate::id::{CodeId, NodeId, ObjectId};
use crate::registry::{self, Claimed};
use crate::store::record::effects::WakeupEntry;
use crate::store::record::{Record, State, Version, WriteId};
use crate::store::{self, Condition, ETag, PutOutcome};

/// Settings shared by all activations of a node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Node name, as written to records.
    pub node: NodeId,
    /// Maximum number of calls that may wait for one object.
    pub mailbox_len: usize,
    /// Number of consecutive failures after which an object is quarantined.
    pub fault_max: u32,
    /// Whether callers receive the message of a trap.
    pub shows_traps: bool,
}

/// Inputs of a decision in addition to the machine's own state.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// Current time.
    pub time: BootTime,
    /// End of this node's lease, up to which it may trust its claims.
    pub lease_until: BootTime,
    /// Id for a write that starts with this event.
    pub write_id: WriteId,
    /// Wall-clock time in milliseconds since 1970-01-01 00:00 UTC. Used only for alarms, wake-ups and the timestamps
    /// of dead letters.
    pub wall_ms: u64,
    /// Whether the object has subscribers.
    pub is_watched: bool,
    /// Constant settings.
    pub settings: &'a Settings,
}

impl Now<'_> {
    /// Whether this node may still trust its claims.
    #[must_use]
    pub fn has_lease(&self) -> bool {
        self.time < self.lease_until
    }
}

/// Record found in the store, with the code to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Record and its ETag; `None` if the object was never changed.
    pub record: Option<(Record, ETag)>,
    /// Code that wrote the state; without a record, the code to fall back on.
    pub code: CodeId,
    /// Code to run. If it differs from `code`, it is tried first.
    pub wanted: CodeId,
}

/// Reason why an object could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadFailure {
    /// The store was unavailable or rejected the request.
    Store(store::Error),
    /// The record must not be used.
    Record(String),
    /// The code is unavailable, with the error for callers.
    ErrorCode(error::Error),
}

/// Outcome of running a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// An update ran.
    Updated {
        /// Reply as JSON.
        reply: Bytes,
        /// State after the update.
        state: State,
        /// Messages, alarms and events that the handler requested.
        effects: Option<Box<Effects>>,
    },
    /// A query ran.
    Queried {
        /// Reply as JSON.
        reply: Bytes,
    },
    /// The object rejected the call, or has no such handler.
    Rejected {
        /// Details of the rejection.
        rejection: HandlerError,
        /// Whether the instance may have been changed before the rejection.
        may_have_changed: bool,
    },
    /// The instance failed, or could not be created.
    Faulted(Fault),
    /// The code cannot read the state.
    Unreadable(RestoreError),
    /// The call's deadline passed while it ran.
    TimedOut,
    /// The code is unavailable, with the error for the caller.
    NoCode(error::Error),
}

impl RunOutcome {
    /// Whether the node caused the outcome, and neither the code nor the state of the object.
    #[must_use]
    pub fn is_of_node(&self) -> bool {
        match self {
            Self::Faulted(fault) => fault.is_of_node(),
            Self::Unreadable(error) => error.is_of_node(),
            _ => false,
        }
    }
}

/// Outcome of reading the state with another revision's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// The code reads the state.
    Reads {
        /// Whether the instance that read it is kept as the object's instance.
        is_kept: bool,
    },
    /// The code does not read the state, or the attempt failed.
    Failed(RunOutcome),
}

/// Outcome of reading the record again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// Current record and its ETag; `None` if there is no record.
    Found(Option<(Record, ETag)>),
    /// The record must not be used.
    Damaged(String),
    /// The store did not answer.
    Failed(store::Error),
}

/// Input of the machine.
#[derive(Debug)]
pub enum Input<T> {
    /// A call arrived.
    Call(Call, T),
    /// Result of [`Action::Claim`].
    Claimed(Result<Claimed, registry::Error>),
    /// Result of [`Action::Load`].
    Loaded(Result<Loaded, LoadFailure>),
    /// Result of [`Action::Run`].
    Ran(RunOutcome),
    /// Result of [`Action::Write`] or [`Action::Resend`].
    WriteFinished(PutOutcome),
    /// Result of [`Action::Reread`].
    Reread(ReloadOutcome),
    /// Result of [`Action::VerifyRecord`].
    RecordVerified(ReloadOutcome),
    /// [`Action::Release`] finished, successfully or not.
    Released,
    /// This revision is wanted for the object from now on.
    RevisionWanted(CodeId),
    /// The wanted revision should be tried without waiting for a call.
    Probe,
    /// Result of [`Action::Probe`].
    Probed(CodeId, ProbeOutcome),
    /// The running call is about to call this object, in a chain of this age. The answer is sent once the state that
    /// the call has read is committed; it carries no other information.
    OutboundStarted(ChainAge, ObjectId, T),
    /// The running call has received its answer from the other object.
    OutboundFinished,
    /// Result of [`Action::FindWaitPath`]: the number of the departure, and the path of wait-for edges from the object
    /// that it called.
    WaitPathFound(u32, Vec<ObjectId>),
    /// Result of [`Action::Deliver`].
    Delivered(ObjectId, u64, Delivered),
    /// The activation must end.
    Deactivate(Reason),
    /// Time has passed, or the lease is valid again.
    Wake,
}

/// Output of the machine.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box for each call that runs would cost more")]
pub enum Action<T> {
    /// Claim the object in the registry.
    Claim,
    /// Read the record and select the code.
    Load,
    /// Run a handler on the newest state.
    Run(Run),
    /// Read the newest state with another revision's code, in a separate instance.
    Probe(Probe),
    /// Write this record under this condition, once. If a wake-up index entry is given, write that first.
    Write(Box<Record>, Condition, Option<WakeupEntry>),
    /// Send the identical write again, after about this pause.
    Resend(Duration),
    /// Read the record again, after about this pause.
    Reread(Duration),
    /// Read the record after about this pause, to verify that it is still the one committed last (read barrier).
    VerifyRecord(Duration),
    /// Drop the instance: its state is stale.
    DropInstance,
    /// Release the claim.
    Release,
    /// Send an answer to a caller.
    Answer(T, Answer),
    /// A commit is durable, with the number of calls that it covered.
    Committed(usize),
    /// The activation has ended, for this reason.
    Ended(Reason),
    /// This revision reads the object's state, or has run its first call.
    RevisionAccepted(CodeId),
    /// This revision failed where the object's own revision did not, for this reason: the object stays on its own.
    RevisionPinned(CodeId, String),
    /// The object failed so often in a row that calls are rejected for this long.
    Quarantined(Duration),
    /// Follow the wait-for edges from this object. The number identifies the departure and is returned with the
    /// result.
    FindWaitPath(u32, ObjectId),
    /// Deliver this message to its receiver.
    Deliver(Box<Delivery>),
    /// Publish this change to the object's subscribers.
    Publish(Change),
    /// Schedule a wake-up for an alarm at this wall-clock time in milliseconds.
    ScheduleAlarm(u64),
    /// Remove this entry from the wake-up index: no record refers to it any more.
    DeleteWakeupEntry(WakeupEntry),
    /// Log a warning for the operator.
    Warn(String),
}

/// Message to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number of the message.
    pub number: u64,
    /// Content and receiver.
    pub message: Message,
    /// Pause before the delivery.
    pub pause: Duration,
}

/// Outcome of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The message took effect, now or earlier.
    Done,
    /// The receiver rejected the message or failed on it, for this reason.
    Refused(String),
    /// The message did not reach the receiver, or its outcome is unknown.
    NotYet,
}

/// Committed change, as published to the object's subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Version that the change created.
    pub version: Version,
    /// Events that the handler published, in that order.
    pub events: Vec<EventOfCall>,
    /// State after the change; `None` if the object was deleted.
    pub state: Option<State>,
}

/// State to read with another revision's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Code to try.
    pub code: CodeId,
    /// State; `None` for the type's defaults.
    pub state: Option<State>,
    /// Time by which the probe must finish.
    pub deadline: BootTime,
}

/// Call to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Code to run it with.
    pub code: CodeId,
    /// Handler name.
    pub handler: Box<str>,
    /// Argument as JSON.
    pub argument: Bytes,
    /// Whether to reject a handler that is an update.
    pub must_be_query: bool,
    /// Principal or object that makes the call.
    pub caller: Caller,
    /// Trigger of the handler: a call, a message or an alarm.
    pub trigger: Trigger,
    /// Call chain, message number and trace.
    pub origin: Origin,
    /// Caller's idempotency key, if it sent one.
    pub key: Option<Arc<str>>,
    /// Alarms that are set; `None` if there are none.
    pub alarms: Option<Arc<[Alarm]>>,
    /// Version that the call reads.
    pub version: Version,
    /// State that the call reads; `None` for the type's defaults.
    pub state: Option<State>,
    /// Whether the instance, if there is one, holds the newest state.
    pub is_in_sync: bool,
    /// Time at which the caller stops waiting.
    pub deadline: BootTime,
}
