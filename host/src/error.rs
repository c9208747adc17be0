//! What a caller is told when a call has no reply.
//!
//! An [`Error`] answers the two questions a caller has: did it happen, and is it worth trying again.
//! The codes are stable and each has a section in `docs/errors.md`; `cargo xtask tidy` holds the two together.
//! Causes inside the host (ports, formats) have their own small error types and become one of these at its border.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::id::NodeId;

/// Whether the call took effect, or may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing of it happened, and nothing of it ever will.
    None,
    /// It took effect.
    Applied,
    /// It may have taken effect, or may still; the same call with the same idempotency key tells.
    Unknown,
}

impl Effect {
    /// The word for it in a problem document.
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
        /// What went wrong: a stable word, its HTTP status, its effect, and whether the same call may be repeated.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The code of this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }

            /// The HTTP status it is answered with.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the call took effect.
            #[must_use]
            pub fn effect(self) -> Effect {
                match self { $(Self::$name => Effect::$effect,)* }
            }

            /// Whether the very same call may succeed later.
            #[must_use]
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be read.
    MalformedRequest = "malformed-request", 400, None, false;
    /// Type or key do not follow their grammar.
    InvalidObjectId = "invalid-object-id", 400, None, false;
    /// The argument does not fit the handler's schema.
    InvalidArgument = "invalid-argument", 400, None, false;
    /// The uploaded component is not one that this host can run.
    ComponentRefused = "component-refused", 400, None, false;
    /// The request does not prove who makes it.
    Unauthenticated = "unauthenticated", 401, None, false;
    /// Who makes the request may not do it.
    Forbidden = "forbidden", 403, None, false;
    /// No route of this method and path.
    UnknownRoute = "unknown-route", 404, None, false;
    /// The type has no such revision, or its code is gone.
    RevisionNotFound = "revision-not-found", 404, None, false;
    /// No component was uploaded for the type.
    UnknownType = "unknown-type", 404, None, false;
    /// The type has no such handler.
    UnknownHandler = "unknown-handler", 404, None, false;
    /// The object was never changed, or is deleted.
    ObjectNotFound = "object-not-found", 404, None, false;
    /// The route exists, but not with this method.
    MethodNotAllowed = "method-not-allowed", 405, None, false;
    /// The client accepts none of the media types that the answer can have.
    NotAcceptable = "not-acceptable", 406, None, false;
    /// The call would wait for itself: its object waits, in an older chain, for one that waits for the call.
    CallConflict = "call-conflict", 409, None, true;
    /// A failed alarm cannot be set anew: another one has its name, or there are as many as there may be.
    AlarmConflict = "alarm-conflict", 409, None, true;
    /// Another deployment of the type was faster.
    DeploymentConflict = "deployment-conflict", 409, None, true;
    /// The type has objects, and is removed only where that is meant.
    TypeInUse = "type-in-use", 409, None, false;
    /// The repeated call was done, but its answer is no longer kept.
    AnswerExpired = "answer-expired", 410, Applied, false;
    /// The object is at another version than the caller asked for.
    VersionMismatch = "version-mismatch", 412, None, false;
    /// The body is larger than the limit.
    BodyTooLarge = "body-too-large", 413, None, false;
    /// The body is compressed, or encoded in another way that is not decoded.
    UnsupportedEncoding = "unsupported-encoding", 415, None, false;
    /// Objects failed to be read by the component, which was therefore not deployed.
    RehearsalFailed = "rehearsal-failed", 422, None, false;
    /// The revision failed too many objects, or a node cannot run it, and is not current.
    RevisionTakenBack = "revision-taken-back", 422, None, false;
    /// The call would have made the state larger than the limit.
    StateTooLarge = "state-too-large", 413, None, false;
    /// The object refused the call in its own words.
    ObjectRejected = "object-rejected", 422, None, false;
    /// The idempotency key was used for another call.
    IdempotencyKeyReused = "idempotency-key-reused", 422, None, false;
    /// The object has as many undelivered messages as it may have.
    OutboxFull = "outbox-full", 429, None, true;
    /// Too many calls wait for this object.
    MailboxFull = "mailbox-full", 429, None, true;
    /// Too many calls or connections wait for this node.
    NodeFull = "node-full", 429, None, true;
    /// The request's head is larger than the limit.
    HeadTooLarge = "head-too-large", 431, None, false;
    /// A bug of the host.
    Internal = "internal", 500, None, false;
    /// The object's code trapped.
    ObjectTrapped = "object-trapped", 500, None, false;
    /// The object's code used up its processor time.
    CpuExceeded = "cpu-exceeded", 500, None, false;
    /// The object's code asked for more memory than it may have.
    MemoryExceeded = "memory-exceeded", 500, None, false;
    /// The object's code ran out of stack.
    StackExceeded = "stack-exceeded", 500, None, false;
    /// The object's code passed too much data between itself and the host.
    HostCallsExceeded = "host-calls-exceeded", 500, None, false;
    /// The object's code broke the contract: a snapshot or a reply that is not what it should be.
    ContractBroken = "contract-broken", 500, None, false;
    /// The current code cannot read the object's state.
    StateUnreadable = "state-unreadable", 500, None, false;
    /// The object's record is damaged, of another object, or of a newer format.
    RecordDamaged = "record-damaged", 500, None, false;
    /// The object's code failed so often in a row that it is not run for a while.
    ObjectQuarantined = "object-quarantined", 503, None, true;
    /// The call's time ran out before it began.
    DeadlineExceeded = "deadline-exceeded", 503, None, true;
    /// The node is shutting down.
    Draining = "draining", 503, None, true;
    /// This node may not answer for the object at present.
    NotOwner = "not-owner", 503, None, true;
    /// The registry does not answer.
    RegistryUnavailable = "registry-unavailable", 503, None, true;
    /// The store does not answer, or refused the write.
    StoreUnavailable = "store-unavailable", 503, None, true;
    /// A commit that this call depended on did not take place.
    CommitRefused = "commit-refused", 503, None, true;
    /// The call may have taken effect.
    OutcomeUnknown = "outcome-unknown", 504, Unknown, true;
}

/// The object's own words when it refuses a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable word for programs.
    pub code: String,
    /// Sentence for people.
    pub message: String,
    /// What programs may want to know besides: JSON.
    pub detail: Option<Bytes>,
}

/// Why a call has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What went wrong.
    pub code: Code,
    /// To which object or component and why, for people. No paths, no internals.
    pub message: String,
    /// What to do next, where there is something to paste or to change.
    pub hint: Option<String>,
    /// The object's own words, for [`Code::ObjectRejected`].
    pub refusal: Option<Box<Refusal>>,
    /// When a repetition makes sense.
    pub retry_after: Option<Duration>,
    /// The node that can answer instead, where it is known.
    pub owner: Option<NodeId>,
}

impl Error {
    /// An error without hint.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            refusal: None,
            retry_after: None,
            owner: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with the time after which a repetition makes sense.
    #[must_use]
    pub fn with_retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// The same with the node that can answer instead.
    #[must_use]
    pub fn with_owner(self, owner: NodeId) -> Self {
        Self { owner: Some(owner), ..self }
    }

    /// Whether the call took effect.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.code.effect()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
