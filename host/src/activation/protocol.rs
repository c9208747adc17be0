//! What goes into the machine, and what comes out of it.
//!
//! Each action is answered by the event that its comment names; nothing else passes between a machine and the task
//! that acts for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Answer, Call, Reason};
use crate::caller::Caller;
use crate::clock::BootTime;
use crate::effects::{Alarm, Effects, Event as EventOfCall, Message, Occasion};
use crate::engine::{Fault, Rejection, RestoreError};
use crate::error;
use crate::id::{CodeId, NodeId, ObjectId};
use crate::origin::Origin;
use crate::origin::chain::Age;
use crate::registry::{self, Claimed};
use crate::store::record::dealings::Wake;
use crate::store::record::{Record, State, Version, WriteId};
use crate::store::{self, Condition, ETag, Put};

/// What every activation of a node is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's name, as it stands in records.
    pub node: NodeId,
    /// Calls that may wait for one object.
    pub mailbox_len: usize,
    /// After how many failures in a row an object is quarantined.
    pub fault_max: u32,
    /// Whether callers are told what code said that trapped.
    pub shows_traps: bool,
}

/// What a decision may depend on besides the machine's own state.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The present moment.
    pub time: BootTime,
    /// Until when this node may trust its claims.
    pub lease_until: BootTime,
    /// The mark of a write, if one is begun now.
    pub write_id: WriteId,
    /// The time of day: milliseconds since 1970-01-01 00:00 UTC. Alarms go by it, and nothing else.
    pub wall_ms: u64,
    /// Whether anybody watches the object.
    pub is_watched: bool,
    /// What never changes.
    pub settings: &'a Settings,
}

impl Now<'_> {
    /// Whether this node may still trust its claims.
    #[must_use]
    pub fn has_lease(&self) -> bool {
        self.time < self.lease_until
    }
}

/// What was found in the store, with the code that is to run on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The record and what the store calls it; nothing where the object was never changed.
    pub record: Option<(Record, ETag)>,
    /// The code that made the state; where there is none, the one to fall back on.
    pub code: CodeId,
    /// The code that is to run. It is tried first where it is another one.
    pub wanted: CodeId,
}

/// Why an object could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadFailure {
    /// The store did not answer, or refused to.
    Store(store::Error),
    /// The record must not be used.
    Record(String),
    /// The code is not there: what to tell callers.
    Code(error::Error),
}

/// What came of running a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// An update ran, and this is the state now.
    Updated {
        /// The reply.
        reply: Bytes,
        /// The state after it.
        state: State,
        /// What it asked for besides.
        effects: Option<Box<Effects>>,
    },
    /// A query ran.
    Queried {
        /// The reply.
        reply: Bytes,
    },
    /// The object refused, or has no such handler.
    Rejected {
        /// In these words.
        rejection: Rejection,
        /// Whether the instance may have been changed before it refused.
        may_have_changed: bool,
    },
    /// The instance ended, or none could be made.
    Faulted(Fault),
    /// The code cannot read the state.
    Unreadable(RestoreError),
    /// The call's deadline passed while it ran.
    TimedOut,
    /// The code could not be had: what to tell the caller.
    NoCode(error::Error),
}

/// What came of reading the state with other code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// It reads the state.
    Reads {
        /// Whether the instance that has read it is kept as the object's.
        is_kept: bool,
    },
    /// It does not, or could not be asked.
    Failed(Ran),
}

/// What a record that was read again looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reread {
    /// As it is now, or that there is none.
    Found(Option<(Record, ETag)>),
    /// It must not be used.
    Damaged(String),
    /// The store did not answer.
    Failed(store::Error),
}

/// What happened.
#[derive(Debug)]
pub enum Event<T> {
    /// Somebody calls.
    Call(Call, T),
    /// The registry answered to [`Action::Claim`].
    Claimed(Result<Claimed, registry::Error>),
    /// [`Action::Load`] ended.
    Loaded(Result<Loaded, LoadFailure>),
    /// [`Action::Run`] ended.
    Ran(Ran),
    /// The store answered to [`Action::Write`] or [`Action::Resend`].
    Stored(Put),
    /// [`Action::Reread`] ended.
    Reread(Reread),
    /// [`Action::Prove`] ended.
    Proven(Reread),
    /// [`Action::Release`] ended, well or not.
    Released,
    /// This revision is wanted for the object from now on.
    Wanted(CodeId),
    /// The revision that is wanted is to be tried without waiting for a call.
    Probe,
    /// [`Action::Probe`] ended.
    Probed(CodeId, Probed),
    /// The call that runs is about to call this object, in a chain of this age. The answer, which says nothing but
    /// that, comes when what the call has seen is committed.
    Departing(Age, ObjectId, T),
    /// The call that runs has its answer from another object.
    Returned,
    /// [`Action::Follow`] ended: the objects that wait for one another from the one that was named, and the number of
    /// the departure that it was for.
    Followed(u32, Vec<ObjectId>),
    /// [`Action::Deliver`] ended.
    Delivered(ObjectId, u64, Delivered),
    /// The activation is to end.
    Deactivate(Reason),
    /// Time has passed, or the lease holds again.
    Wake,
}

/// What is to be done.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box for each call that runs would cost more")]
pub enum Action<T> {
    /// Claim the object in the registry.
    Claim,
    /// Read the record, and find the code.
    Load,
    /// Run a handler on the newest state.
    Run(Run),
    /// Read the newest state with other code, in an instance of its own.
    Probe(Probe),
    /// Write this record under this condition, once. An entry of the index of those to be woken is written before.
    Write(Box<Record>, Condition, Option<Wake>),
    /// Send the identical write again, after about this pause.
    Resend(Duration),
    /// Read the record again, after about this pause.
    Reread(Duration),
    /// Read the record after about this pause, to see whether it is still the one that is known here.
    Prove(Duration),
    /// Drop the instance: its state is no longer the object's.
    DropInstance,
    /// Give the claim back.
    Release,
    /// Tell a caller.
    Answer(T, Answer),
    /// A commit is durable: how many calls it carried.
    Committed(usize),
    /// The activation has ended, for this reason.
    Ended(Reason),
    /// This revision reads the object's state, or has run its first call.
    TookWell(CodeId),
    /// This revision failed where the object's own code did not, in these words: the object stays on its own.
    HeldBack(CodeId, String),
    /// The object failed so often in a row that it is called no more for this long.
    Quarantined(Duration),
    /// Find out whom this object waits for, and whom that one, and so on. The number is to be told again.
    Follow(u32, ObjectId),
    /// Bring this message to its receiver.
    Deliver(Box<Delivery>),
    /// Tell those who watch the object.
    Publish(Change),
    /// An alarm is to be given at this time of day.
    Due(u64),
    /// Remove this entry from the index of those to be woken: no record names it any more.
    Forget(Wake),
    /// Tell the operator.
    Warn(String),
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message's number.
    pub number: u64,
    /// What it says, and to whom.
    pub message: Message,
    /// How long to wait before.
    pub pause: Duration,
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The message had its effect, now or before.
    Done,
    /// The receiver refuses it or fails at it, in these words.
    Refused(String),
    /// It could not be brought to the receiver, or what became of it is not known.
    NotYet,
}

/// A committed change, as those who watch the object are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The version that it made.
    pub version: Version,
    /// What its handler published, in that order.
    pub events: Vec<EventOfCall>,
    /// The state after it; nothing where the object is deleted.
    pub state: Option<State>,
}

/// A state to be read with other code than the object's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The code.
    pub code: CodeId,
    /// The state; nothing where it is the type's defaults.
    pub state: Option<State>,
    /// How long it may take.
    pub deadline: BootTime,
}

/// One call to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The code to run it with.
    pub code: CodeId,
    /// The handler.
    pub handler: Box<str>,
    /// The argument.
    pub argument: Bytes,
    /// Whether a handler that may change the state is refused.
    pub must_be_query: bool,
    /// Who calls.
    pub caller: Caller,
    /// Why the handler runs.
    pub occasion: Occasion,
    /// How the call came about.
    pub origin: Origin,
    /// The caller's mark, if it gave one.
    pub key: Option<Arc<str>>,
    /// The alarms that are set; none where none is.
    pub alarms: Option<Arc<[Alarm]>>,
    /// The version that the call sees.
    pub version: Version,
    /// The state that the call sees; nothing where it is the type's defaults.
    pub state: Option<State>,
    /// Whether the instance, if there is one, holds the newest state.
    pub is_in_sync: bool,
    /// When the caller stops waiting.
    pub deadline: BootTime,
}
