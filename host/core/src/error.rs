//! The error of a call.
//!
//! An [`Error`] answers the caller's two questions: whether the call took effect, and whether a retry may succeed.
//! The codes are stable, and each has a section in `docs/errors.md`; `cargo xtask tidy` compares the two. Internal
//! causes (ports, formats) have separate error types, which are converted to [`Error`] at the boundary.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::id::NodeId;

/// Effect of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The call had no effect, and never will.
    None,
    /// The call took effect.
    Applied,
    /// The call may have taken effect, or may still do so. A retry with the same idempotency key resolves this.
    Unknown,
}

impl Effect {
    /// Returns the word used in a problem document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Applied => "applied",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $effect:ident, $retry:literal;)*) => {
        /// Error code: a stable word, its HTTP status, its effect, and whether the same call may be retried.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the stable word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Returns the code with this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }

            /// Returns the HTTP status.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Returns the effect of the call.
            #[must_use]
            pub fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)* }
            }

            /// Whether the same call may succeed later.
            #[must_use]
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }
        }
    };
}

codes! {
    /// The request is malformed.
    MalformedRequest = "malformed-request", 400, None, false;
    /// Type or key are malformed.
    InvalidObjectId = "invalid-object-id", 400, None, false;
    /// The argument does not match the handler's schema.
    InvalidArgument = "invalid-argument", 400, None, false;
    /// This host cannot run the uploaded component.
    ComponentRefused = "component-refused", 400, None, false;
    /// The request has no valid credentials.
    Unauthenticated = "unauthenticated", 401, None, false;
    /// The caller lacks the required scope.
    Forbidden = "forbidden", 403, None, false;
    /// The objects of the calling type may not call the other type.
    CallNotPermitted = "call-not-permitted", 403, None, false;
    /// No route has this method and path.
    UnknownRoute = "unknown-route", 404, None, false;
    /// The cluster has no such node.
    NodeNotFound = "node-not-found", 404, None, false;
    /// No component was rehearsed for the type through this node.
    RehearsalNotFound = "rehearsal-not-found", 404, None, false;
    /// The type has no such revision, or its component was deleted.
    RevisionNotFound = "revision-not-found", 404, None, false;
    /// No component was uploaded for the type.
    UnknownType = "unknown-type", 404, None, false;
    /// The type has no such handler.
    UnknownHandler = "unknown-handler", 404, None, false;
    /// The object was never changed, or is deleted.
    ObjectNotFound = "object-not-found", 404, None, false;
    /// The route does not support this method.
    MethodNotAllowed = "method-not-allowed", 405, None, false;
    /// The client accepts none of the response's possible media types.
    NotAcceptable = "not-acceptable", 406, None, false;
    /// The call would deadlock: its object waits, in an older chain, for an object that waits for the call.
    CallConflict = "call-conflict", 409, None, true;
    /// A failed alarm cannot be scheduled again: another alarm has its name, or the maximum number is reached.
    AlarmConflict = "alarm-conflict", 409, None, true;
    /// A concurrent deployment of the type was recorded first.
    DeploymentConflict = "deployment-conflict", 409, None, true;
    /// The type has objects; removing it anyway must be requested explicitly.
    TypeInUse = "type-in-use", 409, None, false;
    /// The repeated call was executed earlier, but its reply is no longer in the idempotency cache.
    AnswerExpired = "answer-expired", 410, Applied, false;
    /// The object is not at the version that the caller requires.
    VersionMismatch = "version-mismatch", 412, None, false;
    /// The body is larger than the limit.
    BodyTooLarge = "body-too-large", 413, None, false;
    /// The body has a content encoding that is not supported.
    UnsupportedEncoding = "unsupported-encoding", 415, None, false;
    /// The component failed the rehearsal on some objects, and was therefore not deployed.
    RehearsalFailed = "rehearsal-failed", 422, None, false;
    /// The revision failed on too many objects, or a node cannot run it, and was rolled back.
    RevisionRolledBack = "revision-rolled-back", 422, None, false;
    /// The new state would exceed the size limit.
    StateTooLarge = "state-too-large", 413, None, false;
    /// The object rejected the call.
    ObjectRejected = "object-rejected", 422, None, false;
    /// The idempotency key was already used for a different call.
    IdempotencyKeyReused = "idempotency-key-reused", 422, None, false;
    /// The object has the maximum number of undelivered messages.
    OutboxFull = "outbox-full", 429, None, true;
    /// Too many calls are waiting for this object.
    MailboxFull = "mailbox-full", 429, None, true;
    /// Too many uploads are waiting for this node's compiler.
    CompileQueueFull = "compile-queue-full", 429, None, true;
    /// The configured quota of the object's type is used up on this node.
    TypeQuota = "type-quota", 429, None, true;
    /// Too many calls or connections are waiting for this node.
    NodeFull = "node-full", 429, None, true;
    /// The request's head exceeds the size limit.
    HeadTooLarge = "head-too-large", 431, None, false;
    /// Bug in the host.
    Internal = "internal", 500, None, false;
    /// The object's code trapped.
    ObjectTrapped = "object-trapped", 500, None, false;
    /// The object's code exceeded its CPU time.
    CpuExceeded = "cpu-exceeded", 500, None, false;
    /// The object's code exceeded its memory limit.
    MemoryExceeded = "memory-exceeded", 500, None, false;
    /// The object's code overflowed its stack.
    StackExceeded = "stack-exceeded", 500, None, false;
    /// The object's code exchanged too much data with the host.
    HostCallsExceeded = "host-calls-exceeded", 500, None, false;
    /// The object's code violated the WIT world, for example with an invalid snapshot or reply.
    ContractBroken = "contract-broken", 500, None, false;
    /// The current code cannot read the object's state.
    StateUnreadable = "state-unreadable", 500, None, false;
    /// The object's record is damaged, of another object, or of a newer format.
    RecordDamaged = "record-damaged", 500, None, false;
    /// The object is quarantined after repeated failures of its code.
    ObjectQuarantined = "object-quarantined", 503, None, true;
    /// The memory of the node is in use.
    NodeMemoryFull = "node-memory-full", 503, None, true;
    /// The call's deadline passed before it started.
    DeadlineExceeded = "deadline-exceeded", 503, None, true;
    /// The node is shutting down.
    Draining = "draining", 503, None, true;
    /// This node may not handle calls for the object at present.
    NotOwner = "not-owner", 503, None, true;
    /// The registry is unavailable.
    RegistryUnavailable = "registry-unavailable", 503, None, true;
    /// The store is unavailable or rejected the write.
    StoreUnavailable = "store-unavailable", 503, None, true;
    /// A commit that the call depended on did not take place.
    CommitRefused = "commit-refused", 503, None, true;
    /// The call may have taken effect.
    OutcomeUnknown = "outcome-unknown", 504, Unknown, true;
}

/// Rejection of a call by the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Stable word for programs.
    pub code: String,
    /// Sentence for people.
    pub message: String,
    /// Additional data for programs, as JSON.
    pub detail: Option<Bytes>,
}

/// Failure of a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Error code.
    pub code: ErrorCode,
    /// Message for people: the object or component, and the reason. Contains no paths or internals.
    pub message: String,
    /// Suggested next step, if there is something to enter or change.
    pub hint: Option<String>,
    /// The object's rejection, for [`ErrorCode::ObjectRejected`].
    pub rejection: Option<Box<Rejection>>,
    /// Time after which a retry may succeed.
    pub retry_after: Option<Duration>,
    /// Node that can handle the call instead, if known.
    pub owner: Option<NodeId>,
}

impl Error {
    /// Creates an error without a hint.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            rejection: None,
            retry_after: None,
            owner: None,
        }
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds the time after which a retry may succeed.
    #[must_use]
    pub fn with_retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// Adds the node that can handle the call instead.
    #[must_use]
    pub fn with_owner(self, owner: NodeId) -> Self {
        Self { owner: Some(owner), ..self }
    }

    /// Returns the effect of the call.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.code.effect()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
