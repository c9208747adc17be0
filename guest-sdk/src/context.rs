//! [`Context`]: a handler's view of its object and of the current call, and its log.

use crate::caller::{Caller, ObjectId, Trigger};
use crate::host::{Host, LogLevel};

/// Object and call of the running handler.
///
/// A handler that needs it takes `&Context` right after its receiver. Only the SDK creates contexts; in tests,
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
    trigger: Trigger,
    host: Host,
}

impl Context {
    pub(crate) fn new(id: ObjectId, host: Host) -> Context {
        Context { id, version: 0, caller: Caller::Anonymous, trigger: Trigger::Call, host }
    }

    pub(crate) fn begin_call(&mut self, version: u64, caller: Caller, trigger: Trigger) {
        self.version = version;
        self.caller = caller;
        self.trigger = trigger;
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the identity of this object.
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

    /// Returns the key of this object.
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

    /// Returns the type of this object.
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

    /// Returns the version of the state that the call sees: the number of changes before it, 0 for a new object.
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

    /// Returns the caller.
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

    /// Returns the trigger of the handler: a call, a message or an alarm.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn is_message(ctx: &Context) -> bool {
    ///     matches!(ctx.trigger(), Trigger::Message(_))
    /// }
    /// ```
    pub fn trigger(&self) -> &Trigger {
        &self.trigger
    }

    /// Returns the time when the call began: milliseconds since 1970-01-01 00:00 UTC, by the node's wall clock.
    ///
    /// The time stands still within a call. It may go backwards between two calls, because another node may run the
    /// next one.
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

    /// Writes a line to the operator's log, with information for development.
    ///
    /// A line is truncated after 8 KiB. After 64 KiB within one call, further lines are dropped. The same applies
    /// to [`info`](Context::info), [`warn`](Context::warn) and [`error`](Context::error).
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

    /// Writes a line to the operator's log about normal operation.
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

    /// Writes a line to the operator's log about a condition that may need attention.
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

    /// Writes a line to the operator's log about a failure.
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
