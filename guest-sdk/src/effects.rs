//! Effects of a handler in addition to its change and its reply: messages, events and alarms.
//!
//! Owns these methods of [`Context`]. All effects take place with the change of the call,
//! and none of them if the call is rejected.

use std::time::Duration;

use serde::Serialize;

use crate::alarm::{Alarm, Due};
use crate::caller::ObjectId;
use crate::context::Context;
use crate::error::EffectError;
use crate::host::whole_ms;
use crate::object_ref::to_json;

/// Builder of an alarm: [`call`](SetAlarm::call) selects the handler and sets the alarm.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use highlander_sdk::prelude::*;
///
/// #[derive(ObjectState)]
/// struct Kettle {
///     cups: u64,
/// }
///
/// #[object]
/// impl Kettle {
///     fn brew(&mut self, ctx: &Context, cups: u64) -> Result<(), Rejection> {
///         ctx.set_alarm("tea", Duration::from_secs(180)).call("pour", &cups)?;
///         Ok(())
///     }
///
///     fn pour(&mut self, cups: u64) {
///         self.cups += cups;
///     }
/// }
/// ```
#[must_use = "an alarm is set only by `call`, which names the handler"]
#[derive(Debug)]
pub struct SetAlarm<'a> {
    ctx: &'a Context,
    name: &'a str,
    due: Due,
    every: Option<Duration>,
}

impl SetAlarm<'_> {
    /// Makes the alarm repeat at this interval, at least one second.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use highlander_sdk::prelude::*;
    /// fn count_daily(ctx: &Context) -> Result<(), EffectError> {
    ///     let day = Duration::from_secs(24 * 3600);
    ///     ctx.set_alarm("daily", day).every(day).call("count", &())
    /// }
    /// ```
    pub fn every(mut self, every: Duration) -> Self {
        self.every = Some(every);
        self
    }

    /// Sets the alarm: when it is due, the host calls the update `handler` with `argument`. Pass `&()` for no
    /// argument.
    ///
    /// The alarm fires at least once and never early. The handler's trigger is then
    /// [`Trigger::Alarm`](crate::Trigger::Alarm).
    ///
    /// # Errors
    ///
    /// Returns an error if the calling handler is a query, the alarm is malformed, the object's type has no update
    /// of this name, or the object has too many alarms.
    ///
    /// # Panics
    ///
    /// Panics if the argument cannot be serialized as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn at_new_year(ctx: &Context) -> Result<(), EffectError> {
    ///     ctx.set_alarm("new-year", Due::AtMs(1_830_297_600_000)).call("ring", "happy new year")
    /// }
    /// ```
    #[track_caller]
    pub fn call(
        self,
        handler: &str,
        argument: &(impl Serialize + ?Sized),
    ) -> Result<(), EffectError> {
        let argument = to_json("argument", argument);
        let every_ms = self.every.map(whole_ms);
        self.ctx.host().set_alarm(self.name, self.due, every_ms, handler, &argument)
    }
}

impl Context {
    /// Sends a message: the host calls a handler of another object after this call's change is committed.
    ///
    /// Messages from one object to another are delivered in the order in which they were sent, and each takes
    /// effect once. The argument is serialized as JSON, at most 64 KiB. Pass `&()` for no argument.
    ///
    /// # Errors
    ///
    /// Returns an error if the handler is a query, the message is malformed, or there are too many messages. Also
    /// returns an error if the receiver is of the object's own type, and that type has no such handler.
    ///
    /// # Panics
    ///
    /// Panics if the argument cannot be serialized as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn tell(ctx: &Context, user: &ObjectId, what: &str) -> Result<(), EffectError> {
    ///     ctx.send(user, "hear", what)
    /// }
    /// ```
    #[track_caller]
    pub fn send(
        &self,
        to: &ObjectId,
        handler: &str,
        argument: &(impl Serialize + ?Sized),
    ) -> Result<(), EffectError> {
        self.host().send(to, handler, &to_json("argument", argument))
    }

    /// Publishes an event to all subscribers of the object, after this call's change is committed.
    ///
    /// `name` consists of lower-case words, joined by hyphens. The names `changed`, `reset` and `closed` are
    /// reserved for the host. The data is serialized as JSON. At most 64 events and 256 KiB of data within one
    /// call.
    ///
    /// # Errors
    ///
    /// Returns an error if the handler is a query, the event is malformed, or there are too many events.
    ///
    /// # Panics
    ///
    /// Panics if the data cannot be serialized as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn say(ctx: &Context, text: &str) -> Result<(), EffectError> {
    ///     ctx.publish("said", &json!({ "by": ctx.caller().to_string(), "text": text }))
    /// }
    /// ```
    #[track_caller]
    pub fn publish(&self, name: &str, data: &(impl Serialize + ?Sized)) -> Result<(), EffectError> {
        self.host().publish(name, &to_json("event", data))
    }

    /// Starts setting the alarm `name`, which replaces an existing alarm of this name. [`SetAlarm::call`] sets it.
    ///
    /// `due` is a [`Duration`] from the start of this call, or a [`Due`]. The name has 1 to 64 characters of `a-z`,
    /// `0-9`, `-` and `_`. An object may have at most 64 alarms.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use highlander_sdk::prelude::*;
    /// fn remind(ctx: &Context, text: &str) -> Result<(), EffectError> {
    ///     ctx.set_alarm("reminder", Duration::from_secs(3600)).call("ring", text)
    /// }
    /// ```
    pub fn set_alarm<'a>(&'a self, name: &'a str, due: impl Into<Due>) -> SetAlarm<'a> {
        SetAlarm { ctx: self, name, due: due.into(), every: None }
    }

    /// Cancels the alarm `name`. Returns whether it was set.
    ///
    /// # Errors
    ///
    /// Returns an error if the handler is a query, or the name is invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn stop(ctx: &Context) -> Result<(), Rejection> {
    ///     if !ctx.cancel_alarm("reminder")? {
    ///         reject!("not-set", "there is no reminder");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn cancel_alarm(&self, name: &str) -> Result<bool, EffectError> {
        self.host().cancel_alarm(name)
    }

    /// Returns all alarms that are set, sorted by name, including the changes of this call so far.
    ///
    /// # Panics
    ///
    /// Panics if a [`Json`](crate::Json) cannot hold the argument of an alarm: an integer of more than 64 bits, for
    /// example.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// fn is_set(ctx: &Context, name: &str) -> bool {
    ///     ctx.alarms().iter().any(|alarm| alarm.name == name)
    /// }
    /// ```
    pub fn alarms(&self) -> Vec<Alarm> {
        self.host().alarms()
    }
}
