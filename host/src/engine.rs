//! The engine port: components, and their instances.
//!
//! An engine runs untrusted code within its budget and gives back values or a [`Fault`]; it knows nothing of stores,
//! owners or calls of others. An instance that faulted is never used again.
//! Every adapter passes [`conformance`].

pub mod conformance;
pub mod scripted;
pub mod wasmtime;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::effects::{Alarm, Effects, Occasion};
use crate::error::Refusal;
use crate::id::{Digest, ObjectId, TypeName};

/// Handlers that an error names, of a type that may have 256.
const HANDLERS_SHOWN_MAX: usize = 20;

/// What a handler may do with the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandlerKind {
    /// May change it.
    Update,
    /// May not.
    Query,
}

/// One handler of a type, as its component describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// Its name, unique within the type.
    pub name: String,
    /// Whether it may change the state.
    pub kind: HandlerKind,
    /// What it does, for people.
    pub documentation: String,
    /// JSON Schema of its argument.
    pub argument: serde_json::Value,
    /// JSON Schema of its reply.
    pub reply: serde_json::Value,
}

impl Handler {
    /// What it is called with where the caller gives no argument: `null`, or an object without members where it takes
    /// an object all of whose members are optional. To replace the whole state there has to be one.
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

/// What a component says of itself, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The object type.
    pub name: TypeName,
    /// What objects of the type are, for people.
    pub documentation: String,
    /// Version of the shape of the state, from 1.
    pub schema_version: u32,
    /// Media type of snapshots.
    pub state_content_type: String,
    /// JSON Schema of the state.
    pub state: serde_json::Value,
    /// The handlers, sorted by name.
    pub handlers: Vec<Handler>,
    /// Whether those who watch an object are shown its state.
    #[serde(default)]
    pub shows_state: bool,
}

impl Description {
    /// The handler of this name.
    #[must_use]
    pub fn handler(&self, name: &str) -> Option<&Handler> {
        let index =
            self.handlers.binary_search_by(|handler| handler.name.as_str().cmp(name)).ok()?;
        self.handlers.get(index)
    }

    /// Why there is no handler of this name.
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
            [] => format!("{type_name} has no handler {name:?}, and no other one"),
            names => {
                format!("{type_name} has no handler {name:?}; it has {}{rest}", names.join(", "))
            }
        }
    }
}

/// Why an instance ended. The object goes on with the state it had before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The code trapped or panicked.
    #[error("its code trapped: {0}")]
    Trapped(String),
    /// The processor time of a call was used up.
    #[error("its code used up its {0:?} of processor time")]
    Cpu(Duration),
    /// More memory was asked for than an instance may have.
    #[error("its code asked for more than its {0} bytes of memory")]
    Memory(usize),
    /// The stack was used up.
    #[error("its code ran out of stack")]
    Stack,
    /// Too much data was passed between code and host within a call.
    #[error("its code passed more data to the host than a call may")]
    HostCalls,
    /// A snapshot is larger than a state may be.
    #[error("its state would have {bytes} bytes or more, and may have {limit}")]
    StateTooLarge {
        /// The snapshot's size, or what it has at least.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A value is not what the contract says.
    #[error("its code broke the contract: {0}")]
    Contract(String),
    /// No instance could be made: too many live ones, or the host is out of memory.
    #[error("no instance can be made: {0}")]
    Exhausted(String),
}

/// Why the state of an object could not be loaded into an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The snapshot was written with a newer schema.
    #[error("its state has a newer schema than the code, which reads up to {0}")]
    NewerSchema(u32),
    /// The snapshot does not fit.
    #[error("its state cannot be read by the code: {0}")]
    InvalidSnapshot(String),
    /// The code failed while it read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why an object gives no reply to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The argument does not fit.
    InvalidArgument(String),
    /// There is no handler of this name; the text says which there are.
    UnknownHandler(String),
    /// The handler is an update, and only a query may be called so.
    NoQuery,
    /// The object refuses, in its own words.
    Refused(Refusal),
}

/// Why a component cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are no component of the world `highlander:object`, or ask for what is not granted.
    #[error("{0}")]
    Refused(String),
    /// The host could not compile or load it, for a reason of its own.
    #[error("the component could not be compiled: {0}")]
    Failed(String),
}

/// One call as an instance sees it.
#[derive(Debug, Clone, Copy)]
pub struct GuestCall<'a> {
    /// Name of the handler, one that the description has.
    pub handler: &'a str,
    /// What that handler may do.
    pub kind: HandlerKind,
    /// The argument, JSON.
    pub argument: &'a [u8],
    /// Version of the state.
    pub version: u64,
    /// Who calls.
    pub caller: &'a Caller,
    /// Why the handler runs.
    pub occasion: &'a Occasion,
    /// The alarms that are set, by name; none where none is.
    pub alarms: Option<&'a Arc<[Alarm]>>,
    /// What the component says of itself, by which alarms and messages to handlers that it lacks are refused; none
    /// where that is not to be done.
    pub own: Option<&'a Arc<Description>>,
    /// The way to other objects; none where there are no others.
    pub outward: Option<&'a Arc<dyn Outward>>,
}

impl<'a> GuestCall<'a> {
    /// A call that somebody makes to an object that has no alarms, and is alone.
    #[must_use]
    pub fn new(handler: &'a str, kind: HandlerKind, argument: &'a [u8], version: u64) -> Self {
        let (caller, occasion) = (&Caller::Anonymous, &Occasion::Called);
        let (alarms, own, outward) = (None, None, None);
        Self { handler, kind, argument, version, caller, occasion, alarms, own, outward }
    }
}

/// What a handler gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The reply, JSON.
    pub reply: Bytes,
    /// What it asked for besides. Nothing, where it is a query.
    pub effects: Effects,
}

/// A call that a handler makes to another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutwardCall {
    /// The object.
    pub to: ObjectId,
    /// Its handler.
    pub handler: Box<str>,
    /// The argument: JSON.
    pub argument: Bytes,
    /// How long to wait, if that was said.
    pub timeout: Option<Duration>,
    /// The caller's mark, if it gave one: 1 to 128 visible ASCII characters.
    pub key: Option<Box<str>>,
}

/// Why a call to another object has no reply. Each but [`Unknown`](Self::Unknown) changed nothing there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutwardError {
    /// The object refuses, in its own words.
    Refused(Refusal),
    /// The argument does not fit, or the call is not well-formed.
    InvalidArgument(String),
    /// There is no such type or handler.
    NotFound(String),
    /// The object waits for the one that calls.
    Cycle(String),
    /// Too many objects wait for each other.
    TooDeep(String),
    /// Waiting could last for ever.
    Conflict(String),
    /// The time was over before the call began.
    TimedOut(String),
    /// Not now.
    Unavailable(String),
    /// The object's code failed.
    Failed(String),
    /// It may have taken effect.
    Unknown(String),
}

/// The way of a handler to other objects.
#[async_trait]
pub trait Outward: fmt::Debug + Send + Sync + 'static {
    /// Makes a call and waits for its reply: JSON.
    ///
    /// # Errors
    /// See [`OutwardError`].
    ///
    /// # Cancel safety
    /// The call may have taken effect, or may still.
    async fn call(&self, call: OutwardCall) -> Result<Bytes, OutwardError>;
}

/// Turns components into something that runs.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// Checks and compiles the component, or loads what was compiled before. Does not block a worker thread.
    ///
    /// # Errors
    /// [`LoadError`].
    ///
    /// # Cancel safety
    /// A compilation that has begun goes on in the background and is thrown away.
    async fn load(&self, digest: Digest, wasm: Bytes) -> Result<Arc<dyn Component>, LoadError>;
}

/// One compiled component.
#[async_trait]
pub trait Component: fmt::Debug + Send + Sync + 'static {
    /// The component's digest.
    fn digest(&self) -> Digest;

    /// Whether its code can call other objects.
    fn reaches_out(&self) -> bool;

    /// Asks the component what it is, in an instance of its own.
    ///
    /// # Errors
    /// [`LoadError::Refused`] where it fails, or says what makes no sense.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn describe(&self) -> Result<Description, LoadError>;

    /// Makes an instance, which is no object yet.
    ///
    /// # Errors
    /// [`Fault`].
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    async fn instantiate(&self) -> Result<Box<dyn Instance>, Fault>;
}

/// One instance of a component. It is one object after [`restore`](Self::restore).
///
/// After a [`Fault`], and after any of its futures was dropped before its end, an instance is not used again.
#[async_trait]
pub trait Instance: fmt::Debug + Send + 'static {
    /// Becomes the object `id` with the state `snapshot`, or with defaults.
    ///
    /// # Errors
    /// [`RestoreError`]: the instance is used no more.
    async fn restore(
        &mut self,
        id: &ObjectId,
        snapshot: Option<(&[u8], u32)>,
    ) -> Result<(), RestoreError>;

    /// Runs one handler.
    ///
    /// # Errors
    /// [`Fault`]: the instance is used no more.
    async fn handle(&mut self, call: GuestCall<'_>) -> Result<Result<Handled, Rejection>, Fault>;

    /// Encodes the state: at most the configured `state_max`, and valid where it says JSON.
    ///
    /// # Errors
    /// [`Fault`]: the instance is used no more.
    async fn snapshot(&mut self) -> Result<Bytes, Fault>;
}
