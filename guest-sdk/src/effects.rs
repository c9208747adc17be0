//! What a handler can bring about besides its change and its reply: messages, events and alarms.
//!
//! Owns [`Alarm`], [`Due`] and these methods of [`Context`]. All of it takes effect with the change of the call, and
//! none of it where the call is rejected.

use std::time::Duration;

use serde::Serialize;

use crate::Json;
use crate::caller::ObjectId;
use crate::context::Context;
use crate::failure::EffectError;
use crate::reference::{to_json, whole_ms};

/// When an alarm is due.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # use highlander_sdk::prelude::*;
/// assert_eq!(Due::from(Duration::from_secs(60)), Due::After(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At this time: milliseconds since 1970-01-01 00:00 UTC.
    AtMs(u64),
    /// So long after this call began.
    After(Duration),
}

impl From<Duration> for Due {
    fn from(after: Duration) -> Due {
        Due::After(after)
    }
}

/// An alarm that is set.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::prelude::*;
/// fn next_ms(ctx: &Context) -> Option<u64> {
///     ctx.alarms().iter().map(|alarm| alarm.due_ms).min()
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Its name, unique within the object.
    pub name: String,
    /// When it is due next: milliseconds since 1970-01-01 00:00 UTC.
    pub due_ms: u64,
    /// For a repeating one, milliseconds from one time to the next.
    pub every_ms: Option<u64>,
    /// The handler that is called.
    pub handler: String,
    /// Its argument.
    pub argument: Json,
}

/// An alarm that is about to be set: [`call`](SetAlarm::call) says what it calls, and sets it.
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
#[must_use = "an alarm is set by `call`, which says what it calls"]
#[derive(Debug)]
pub struct SetAlarm<'a> {
    ctx: &'a Context,
    name: &'a str,
    due: Due,
    every: Option<Duration>,
}

impl SetAlarm<'_> {
    /// Has the alarm repeat, at least a second apart.
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

    /// Sets the alarm: when it is due, `handler`, an update, is called with `argument`, `&()` for none.
    ///
    /// It is given at least once and never before it is due, with [`Occasion::Alarm`](crate::Occasion::Alarm).
    ///
    /// # Errors
    ///
    /// If the calling handler is a query, the alarm is not well-formed, the object's type has no such update, or there
    /// are too many.
    ///
    /// # Panics
    ///
    /// Where the argument cannot be JSON.
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
    /// Sends a message: has a handler of another object called after this call's change is committed.
    ///
    /// Messages from one object to another arrive in the order in which they were sent, with effect once. The argument
    /// is written as JSON, `&()` for none, at most 64 KiB.
    ///
    /// # Errors
    ///
    /// Where the handler is a query, the message is not well-formed, the receiver is of the object's own type and that
    /// has no such handler, or there are too many.
    ///
    /// # Panics
    ///
    /// Where the argument cannot be JSON.
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

    /// Tells everybody who watches the object, after this call's change is committed.
    ///
    /// `name` is lower case words with hyphens between them; `changed`, `reset` and `closed` are the host's own. The
    /// data is written as JSON. At most 64 events and 256 KiB of data within one call.
    ///
    /// # Errors
    ///
    /// Where the handler is a query, the event is not well-formed, or there are too many.
    ///
    /// # Panics
    ///
    /// Where the data cannot be JSON.
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

    /// Begins to set the alarm `name`, in place of the one that has this name already.
    ///
    /// `due` is a [`Duration`] from now, or a [`Due`]. The name has 1 to 64 of `a-z`, `0-9`, `-` and `_`. At most 64
    /// alarms.
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

    /// Cancels the alarm `name`; whether it was set.
    ///
    /// # Errors
    ///
    /// Where the handler is a query, or the name is none.
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

    /// All alarms that are set, by name, as this call left them so far.
    ///
    /// # Panics
    ///
    /// Where the argument of one is more than a [`Json`](crate::Json) can hold: an integer of more than 64 bits, say.
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
