//! The engine port: components and their instances.
//!
//! An engine runs untrusted code within a budget and returns values or a [`Fault`]. An instance that faulted is
//! never used again. Every adapter passes the conformance suite of `highlander-testing`.

pub mod compile_queue;
mod load;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::caller::call_policy::CallPolicy;
use crate::effects::{Alarm, Effects, Trigger};
use crate::error::Rejection;
use crate::id::{Digest, ObjectId, TypeName};
use crate::memory::MemoryTotal;
use crate::memory::eviction::InstanceMemory;

pub use load::{LoadError, LoadPurpose};

/// Maximum number of handlers that an error lists; a type may have 256.
const HANDLERS_SHOWN_MAX: usize = 20;

/// Access of a handler to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum HandlerKind {
    /// May change the state.
    Update,
    /// Reads the state only.
    Query,
}

/// One handler of a type, as its component describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Handler {
    /// Name, unique within the type.
    pub name: String,
    /// Whether it may change the state.
    pub kind: HandlerKind,
    /// Description for people.
    pub documentation: String,
    /// JSON Schema of the argument.
    pub argument: serde_json::Value,
    /// JSON Schema of the reply.
    pub reply: serde_json::Value,
}

impl Handler {
    /// Returns the argument for calls without one: `null`, or `{}` if the handler takes an object whose members are
    /// all optional. `put` always gets `null`, because replacing the whole state requires an explicit argument.
    #[must_use]
    pub fn no_argument(&self) -> &'static [u8] {
        let has = |name: &str, empty: &serde_json::Value| {
            self.argument.get(name).is_some_and(|value| value != empty)
        };
        let is_object = self.argument.get("type").is_some_and(|kind| kind == "object");
        let is_given = has("required", &serde_json::json!([])) || has("minProperties", &0.into());
        if is_object && !is_given && self.name != "put" { b"{}" } else { b"null" }
    }
}

/// Validated description that a component gives of its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Description {
    /// The object type.
    pub name: TypeName,
    /// Description of the type for people.
    pub documentation: String,
    /// Schema version of the state, from 1.
    pub schema_version: u32,
    /// Media type of snapshots.
    pub state_content_type: String,
    /// JSON Schema of the state.
    pub state: serde_json::Value,
    /// The handlers, sorted by name.
    pub handlers: Vec<Handler>,
    /// Whether subscribers receive the object's state.
    #[serde(default)]
    pub publish_state: bool,
}

impl Description {
    /// Returns the handler with this name.
    #[must_use]
    pub fn handler(&self, name: &str) -> Option<&Handler> {
        self.handlers.get(self.handler_index(name)?)
    }

    /// Returns the index of the handler with this name.
    #[must_use]
    pub fn handler_index(&self, name: &str) -> Option<usize> {
        self.handlers.binary_search_by(|handler| handler.name.as_str().cmp(name)).ok()
    }

    /// Returns the error text for a missing handler.
    #[must_use]
    pub fn no_handler(&self, name: &str) -> String {
        let type_name = &self.name;
        if matches!(name, "get" | "put") {
            return format!("{type_name} does not allow {name}: its author turned it off");
        }
        let (shown, rest) = self.handlers.split_at(self.handlers.len().min(HANDLERS_SHOWN_MAX));
        let names: Vec<_> = shown.iter().map(|handler| handler.name.as_str()).collect();
        let rest =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        match names.as_slice() {
            [] => format!("{type_name} has no handler {name:?}; it has no handlers"),
            names => {
                format!("{type_name} has no handler {name:?}; it has {}{rest}", names.join(", "))
            }
        }
    }
}

/// Reason why an instance failed. The object keeps the state that it had before the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The code trapped or panicked.
    #[error("its code trapped: {0}")]
    Trapped(String),
    /// The call exceeded its processor time.
    #[error("its code exceeded its {0:?} of processor time")]
    Cpu(Duration),
    /// The code requested more memory than an instance may have.
    #[error("its code requested more than its {0} bytes of memory")]
    Memory(usize),
    /// The stack overflowed.
    #[error("its code overflowed its stack")]
    Stack,
    /// Too much data passed between guest and host within one call.
    #[error("its code passed more data to the host than a call may")]
    HostCalls,
    /// The snapshot exceeds the size limit for a state.
    #[error("its state would have {bytes} bytes or more; expected at most {limit}")]
    StateTooLarge {
        /// Size of the snapshot, or a lower bound of it.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A value violates the rules of the WIT world.
    #[error("its code violated its WIT world: {0}")]
    Contract(String),
    /// The node is at one of its limits: the number of instances, or of calls that wait for processor time.
    #[error("the node is at a limit: {0}")]
    Exhausted(String),
    /// The memory of the node, of which all instances may have so many bytes together, is in use.
    #[error("the memory of this node is in use, {0} bytes for all objects (sandbox.memory_total)")]
    NodeMemoryFull(usize),
}

impl Fault {
    /// Whether the node caused the fault, and neither the code nor the state of the object.
    #[must_use]
    pub fn is_of_node(&self) -> bool {
        matches!(self, Self::Exhausted(_) | Self::NodeMemoryFull(_))
    }
}

/// Reason why an object's state could not be loaded into an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The snapshot was written with a newer schema.
    #[error("its state has a newer schema than the code, which reads up to {0}")]
    NewerSchema(u32),
    /// The code cannot read the snapshot.
    #[error("the code cannot read its state: {0}")]
    InvalidSnapshot(String),
    /// The code failed while reading it.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl RestoreError {
    /// Whether the node caused the error, and neither the code nor the state of the object.
    #[must_use]
    pub fn is_of_node(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.is_of_node())
    }
}

/// Reason why an object does not reply to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerError {
    /// The argument is invalid.
    InvalidArgument(String),
    /// The handler does not exist; the text lists the existing ones.
    UnknownHandler(String),
    /// The handler is an update, but the call allows only queries.
    NoQuery,
    /// The object rejected the call with its own code and message.
    Rejected(Rejection),
}

/// One call as an instance receives it.
#[derive(Debug, Clone, Copy)]
pub struct GuestCall<'a> {
    /// Name of the handler; the description contains it.
    pub handler: &'a str,
    /// Kind of that handler.
    pub kind: HandlerKind,
    /// The argument, JSON.
    pub argument: &'a [u8],
    /// Version of the state.
    pub version: u64,
    /// The caller.
    pub caller: &'a Caller,
    /// Trigger of the handler.
    pub trigger: &'a Trigger,
    /// The alarms that are set, sorted by name; `None` if no alarm is set.
    pub alarms: Option<&'a Arc<[Alarm]>>,
    /// The component's description. Alarms and messages for handlers that it lacks are rejected; `None` disables
    /// this check.
    pub own: Option<&'a Arc<Description>>,
    /// Limit of the types that it may send messages to; `None` if there is none. The port limits its calls.
    pub call_policy: Option<&'a Arc<CallPolicy>>,
    /// Port for calls to other objects; `None` if there are no other objects.
    pub outbound: Option<&'a Arc<dyn OutboundCalls>>,
}

impl<'a> GuestCall<'a> {
    /// Creates an anonymous call to an object that has no alarms and cannot call other objects.
    #[must_use]
    pub fn new(handler: &'a str, kind: HandlerKind, argument: &'a [u8], version: u64) -> Self {
        Self {
            handler,
            kind,
            argument,
            version,
            caller: &Caller::Anonymous,
            trigger: &Trigger::Call,
            alarms: None,
            own: None,
            call_policy: None,
            outbound: None,
        }
    }
}

/// Result of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The reply, JSON.
    pub reply: Bytes,
    /// Requested effects; empty for a query.
    pub effects: Effects,
}

/// Call from a handler to another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundCall {
    /// The called object.
    pub to: ObjectId,
    /// The called handler.
    pub handler: Box<str>,
    /// The argument: JSON.
    pub argument: Bytes,
    /// Timeout for the reply, if specified.
    pub timeout: Option<Duration>,
    /// Idempotency key, if the handler set one: 1 to 128 visible ASCII characters.
    pub key: Option<Box<str>>,
}

/// Reason why a call to another object has no reply. Except for [`Unknown`](Self::Unknown), the call changed
/// nothing there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboundError {
    /// The object rejected the call with its own code and message.
    Rejected(Rejection),
    /// The argument is invalid, or the call is malformed.
    InvalidArgument(String),
    /// The type or the handler does not exist.
    NotFound(String),
    /// The called object waits for the calling one.
    Cycle(String),
    /// The chain of waiting objects is too long.
    TooDeep(String),
    /// The call could wait forever in a deadlock with another chain.
    Conflict(String),
    /// The time was over before the call began.
    TimedOut(String),
    /// The object is temporarily unavailable.
    Unavailable(String),
    /// The object's code failed.
    Failed(String),
    /// The call may have taken effect.
    Unknown(String),
}

/// Port through which a handler calls other objects.
#[async_trait]
pub trait OutboundCalls: fmt::Debug + Send + Sync + 'static {
    /// Calls a handler of another object and waits for its JSON reply.
    ///
    /// # Errors
    /// See [`OutboundError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the call may have taken effect, or may still.
    async fn call(&self, call: OutboundCall) -> Result<Bytes, OutboundError>;
}

/// Loads components for execution.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// Validates and compiles the component, or loads previously compiled code. Does not block a worker thread. If
    /// it must be compiled, `purpose` decides when it is its turn.
    ///
    /// # Errors
    /// See [`LoadError`].
    ///
    /// # Cancel safety
    /// A compilation for uploads alone ends once the last of them has left.
    async fn load(
        &self,
        digest: Digest,
        wasm: Bytes,
        purpose: &LoadPurpose,
    ) -> Result<Arc<dyn Component>, LoadError>;

    /// Returns the count of the memory that instances use. It is the same for the engine's whole life.
    fn memory(&self) -> &Arc<MemoryTotal>;
}

/// One compiled component.
#[async_trait]
pub trait Component: fmt::Debug + Send + Sync + 'static {
    /// Returns the component's digest.
    fn digest(&self) -> Digest;

    /// Whether its code can call other objects.
    fn reaches_out(&self) -> bool;

    /// Returns the description of the component, which runs in a separate instance.
    ///
    /// # Errors
    /// [`LoadError::Refused`] if the component fails or its description is invalid.
    async fn describe(&self) -> Result<Description, LoadError>;

    /// Creates an instance, which becomes an object only by [`Instance::restore`].
    ///
    /// # Errors
    /// See [`Fault`].
    async fn instantiate(&self) -> Result<Box<dyn Instance>, Fault>;
}

/// Encoded state of an object, as one of its instances wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// The state, in the encoding of the type.
    pub bytes: &'a [u8],
    /// Version of the schema with which it was written.
    pub schema_version: u32,
}

/// One instance of a component. It represents an object after [`restore`](Self::restore).
///
/// After a [`Fault`], or after any of its futures was dropped before completion, an instance must not be used
/// again.
#[async_trait]
pub trait Instance: fmt::Debug + Send + 'static {
    /// Becomes the object `id` with the state `snapshot`, or with the type's defaults.
    ///
    /// # Errors
    /// See [`RestoreError`]. The instance must not be used after an error.
    async fn restore(
        &mut self,
        id: &ObjectId,
        snapshot: Option<Snapshot<'_>>,
    ) -> Result<(), RestoreError>;

    /// Runs one handler.
    ///
    /// # Errors
    /// See [`Fault`]. The instance must not be used after an error.
    async fn handle(&mut self, call: GuestCall<'_>)
    -> Result<Result<Handled, HandlerError>, Fault>;

    /// Encodes the state: at most the configured `state_max`, and valid JSON if the type declares JSON.
    ///
    /// # Errors
    /// See [`Fault`]. The instance must not be used after an error.
    async fn snapshot(&mut self) -> Result<Bytes, Fault>;

    /// Returns the memory of the instance.
    fn memory(&self) -> InstanceMemory;
}
