//! What a handler may know about its object and the call that it answers.
//!
//! Owns [`Context`], [`Caller`] and [`ObjectId`]. It reads no clock and writes no log itself: that is `host.rs`.

use std::fmt;

use crate::host::{Host, LogLevel};

/// Who an object is: its type and its key.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::ObjectId;
/// let id = ObjectId::new("todo", "42");
/// assert_eq!(id.to_string(), "todo/42");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    object_type: String,
    key: String,
}

impl ObjectId {
    /// Names the object of type `object_type` with the key `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::ObjectId;
    /// assert_eq!(ObjectId::new("list", "groceries").key(), "groceries");
    /// ```
    pub fn new(object_type: impl Into<String>, key: impl Into<String>) -> ObjectId {
        ObjectId { object_type: object_type.into(), key: key.into() }
    }

    /// The object's type, such as `todo`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::ObjectId;
    /// assert_eq!(ObjectId::new("todo", "42").object_type(), "todo");
    /// ```
    pub fn object_type(&self) -> &str {
        &self.object_type
    }

    /// The object's key: 1 to 256 bytes of UTF-8 without control characters.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::ObjectId;
    /// assert_eq!(ObjectId::new("todo", "42").key(), "42");
    /// ```
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object_type)?;
        f.write_str("/")?;
        f.write_str(&self.key)
    }
}

/// Who makes a call, as the host vouches for it.
///
/// Whether a caller may call objects of the type at all was decided before. A handler decides what it may do with this
/// one object.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::Caller;
/// assert_eq!(Caller::Principal("ada".to_owned()).principal(), Some("ada"));
/// assert_eq!(Caller::Anonymous.principal(), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: the node takes calls from everybody.
    #[default]
    Anonymous,
    /// Somebody whose token the node knows, by the name that goes with it.
    Principal(String),
    /// Another object.
    Object(ObjectId),
}

impl Caller {
    /// The name of the principal, where the caller is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::{Caller, ObjectId};
    /// assert_eq!(Caller::Object(ObjectId::new("list", "home")).principal(), None);
    /// ```
    pub fn principal(&self) -> Option<&str> {
        match self {
            Caller::Principal(name) => Some(name),
            Caller::Anonymous | Caller::Object(_) => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Anonymous => f.write_str("anonymous"),
            Caller::Principal(name) => f.write_str(name),
            Caller::Object(id) => id.fmt(f),
        }
    }
}

/// The object and the call that a handler is working for.
///
/// A handler that wants it takes `&Context` right after its receiver. Nobody else can make one; in tests the
/// `testing::Harness` does.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// #[derive(ObjectState)]
/// struct Visit {
///     last_ms: u64,
/// }
///
/// #[object]
/// impl Visit {
///     /// Notes the time of the visit.
///     fn enter(&mut self, ctx: &Context) {
///         self.last_ms = ctx.now_ms();
///         ctx.info(format!("somebody entered {}", ctx.key()));
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Context {
    id: ObjectId,
    version: u64,
    caller: Caller,
    host: Host,
}

impl Context {
    pub(crate) fn new(id: ObjectId, host: Host) -> Context {
        Context { id, version: 0, caller: Caller::Anonymous, host }
    }

    pub(crate) fn begin_call(&mut self, version: u64, caller: Caller) {
        self.version = version;
        self.caller = caller;
    }

    /// Who this object is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn name_for_people(ctx: &Context) -> String {
    ///     format!("The object {}", ctx.id())
    /// }
    /// ```
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// The key of this object.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn is_groceries(ctx: &Context) -> bool {
    ///     ctx.key() == "groceries"
    /// }
    /// ```
    pub fn key(&self) -> &str {
        self.id.key()
    }

    /// The type of this object.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn label(ctx: &Context) -> String {
    ///     format!("a {}", ctx.object_type())
    /// }
    /// ```
    pub fn object_type(&self) -> &str {
        self.id.object_type()
    }

    /// Version of the state that the call sees: how many changes were made before it, 0 for a new object.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn is_new(ctx: &Context) -> bool {
    ///     ctx.version() == 0
    /// }
    /// ```
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Who makes the call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn check_owner(ctx: &Context, owner: &str) -> Result<(), Rejection> {
    ///     if ctx.caller().principal() != Some(owner) {
    ///         reject!("not-yours", "{} is not for {}", ctx.id(), ctx.caller());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// When the call began: milliseconds since 1970-01-01 00:00 UTC, by the node's wall clock.
    ///
    /// It stands still within a call. Between two calls it may go backwards, since another node may answer the next.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn is_over(ctx: &Context, deadline_ms: u64) -> bool {
    ///     ctx.now_ms() >= deadline_ms
    /// }
    /// ```
    pub fn now_ms(&self) -> u64 {
        self.host.now_ms()
    }

    /// Writes a line to the operator's log that matters only while developing.
    ///
    /// A line is cut at 8 KiB, and past 64 KiB within one call further lines are dropped. The same is true of
    /// [`info`](Context::info), [`warn`](Context::warn) and [`error`](Context::error).
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn trace(ctx: &Context) {
    ///     ctx.debug("reached the second step");
    /// }
    /// ```
    pub fn debug(&self, message: impl AsRef<str>) {
        self.host.log(LogLevel::Debug, message.as_ref());
    }

    /// Writes a line of ordinary news to the operator's log.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn greet(ctx: &Context) {
    ///     ctx.info(format!("hello from {}", ctx.key()));
    /// }
    /// ```
    pub fn info(&self, message: impl AsRef<str>) {
        self.host.log(LogLevel::Info, message.as_ref());
    }

    /// Writes a line to the operator's log about something that may need attention.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn note_size(ctx: &Context, items: usize) {
    ///     if items > 900 {
    ///         ctx.warn("the list is nearly full");
    ///     }
    /// }
    /// ```
    pub fn warn(&self, message: impl AsRef<str>) {
        self.host.log(LogLevel::Warn, message.as_ref());
    }

    /// Writes a line to the operator's log about something that went wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn complain(ctx: &Context) {
    ///     ctx.error("the total does not match the items");
    /// }
    /// ```
    pub fn error(&self, message: impl AsRef<str>) {
        self.host.log(LogLevel::Error, message.as_ref());
    }
}
