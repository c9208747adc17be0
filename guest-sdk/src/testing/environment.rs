//! Environment of an object under test: the time, the caller, other objects, and the effects of its calls.
//!
//! The test supplies the replies of other objects. Nothing is delivered automatically: the test reads the messages
//! and events, delivers messages, and fires alarms.

use serde::Serialize;

use super::panics::{fail, to_json};
use super::{Harness, Run};
use crate::Json;
use crate::alarm::Alarm;
use crate::call::HandlerError;
use crate::caller::{Caller, ObjectId, Trigger};
use crate::error::CallError;
use crate::host::LogLevel;
use crate::object::Object;
use crate::reading;

/// A message that the object under test has sent.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::prelude::*;
/// # use highlander_sdk::testing::{Harness, Message};
/// # #[derive(ObjectState)] struct Bell {}
/// # #[object]
/// # impl Bell {
/// #     fn ring(&mut self, ctx: &Context) -> Result<(), Rejection> {
/// #         Ok(ctx.send(&ObjectId::new("user", "ada"), "hear", "ding")?)
/// #     }
/// # }
/// let mut bell = Harness::<Bell>::new();
/// bell.call("ring", ()).unwrap();
/// assert_eq!(bell.take_messages(), [Message::new("user/ada", "hear", "ding")]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Receiver, such as `user/ada`.
    pub to: String,
    /// Handler to call.
    pub handler: String,
    /// Argument of the call.
    pub argument: Json,
}

impl Message {
    /// Creates a message to `to`, such as `user/ada`, for comparisons.
    ///
    /// # Panics
    ///
    /// Panics if the argument cannot be serialized as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::testing::Message;
    /// assert_eq!(Message::new("user/ada", "hear", "ding").handler, "hear");
    /// ```
    pub fn new(to: &str, handler: &str, argument: impl Serialize) -> Message {
        let argument = read(&to_json(&argument));
        Message { to: to.to_owned(), handler: handler.to_owned(), argument }
    }
}

impl<O: Object> Harness<O> {
    /// Sets the time of later calls, in milliseconds since 1970-01-01 00:00 UTC. It is 0 at first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Clock {}
    /// # #[object] impl Clock { fn now(&self, ctx: &Context) -> u64 { ctx.now_ms() } }
    /// let mut clock = Harness::<Clock>::new();
    /// clock.set_now_ms(1_000);
    /// assert_eq!(clock.call("now", ()).unwrap(), 1_000);
    /// ```
    pub fn set_now_ms(&mut self, now_ms: u64) {
        self.host.set_now_ms(now_ms);
    }

    /// Sets the caller of later calls. At first it is [`Caller::Anonymous`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Mirror {}
    /// # #[object] impl Mirror { fn caller(&self, ctx: &Context) -> String { ctx.caller().to_string() } }
    /// let mut mirror = Harness::<Mirror>::new();
    /// mirror.set_caller(Caller::Principal("ada".to_owned()));
    /// assert_eq!(mirror.call("caller", ()).unwrap(), "ada");
    /// ```
    pub fn set_caller(&mut self, caller: Caller) {
        self.caller = caller;
    }

    /// Takes the lines that were logged since the last call of this function.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::{LogLevel, testing::Harness};
    /// # #[derive(ObjectState)] struct Bell {}
    /// # #[object] impl Bell { fn ring(&self, ctx: &Context) { ctx.info("ding"); } }
    /// let mut bell = Harness::<Bell>::new();
    /// bell.call("ring", ()).unwrap();
    /// assert_eq!(bell.take_log(), [(LogLevel::Info, "ding".to_owned())]);
    /// ```
    pub fn take_log(&mut self) -> Vec<(LogLevel, String)> {
        self.host.take_log()
    }

    /// Sets the reply of another object for all later calls of one of its handlers by the object under test.
    ///
    /// A call without an answer fails the test. `|_| Ok(..)` returns a value, and
    /// `move |argument| Ok(todo.call("title", argument)?)` lets another harness answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use highlander_sdk::prelude::*;
    /// use highlander_sdk::testing::Harness;
    ///
    /// #[derive(ObjectState)]
    /// struct Reader {}
    ///
    /// #[object]
    /// impl Reader {
    ///     fn read(&self, todo: String) -> Result<String, Rejection> {
    ///         Ok(ObjectRef::new("todo", todo).call("title", &())?)
    ///     }
    /// }
    ///
    /// let mut reader = Harness::<Reader>::new();
    /// reader.answer("todo", "42", "title", |_| Ok("milk"));
    /// reader.answer("todo", "43", "title", |_| {
    ///     Err::<(), _>(CallError::NotFound("there is no type todo".to_owned()))
    /// });
    /// assert_eq!(reader.call("read", "42").unwrap(), "milk");
    /// assert_eq!(reader.rejection("read", "43").code(), "callee-not-found");
    /// ```
    pub fn answer<R: Serialize>(
        &mut self,
        object_type: &str,
        key: &str,
        handler: &str,
        mut answer: impl FnMut(Json) -> Result<R, CallError> + 'static,
    ) {
        let answer = move |argument| Ok(to_json(&answer(argument)?));
        let id = ObjectId::new(object_type, key);
        self.host.answer(id, handler.to_owned(), Box::new(answer));
    }

    /// Takes the messages that were sent since the last call of this function. A rejected call sends none.
    ///
    /// # Examples
    ///
    /// See [`Message`].
    pub fn take_messages(&mut self) -> Vec<Message> {
        let sent = self.host.kept(|kept| std::mem::take(&mut kept.messages));
        sent.into_iter()
            .map(|(to, handler, argument)| Message { to: to.to_string(), handler, argument })
            .collect()
    }

    /// Takes the events that were published since the last call of this function: their names and data.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Bell {}
    /// # #[object]
    /// # impl Bell {
    /// #     fn ring(&mut self, ctx: &Context) -> Result<(), Rejection> { Ok(ctx.publish("rang", &1)?) }
    /// # }
    /// let mut bell = Harness::<Bell>::new();
    /// bell.call("ring", ()).unwrap();
    /// assert_eq!(bell.take_events(), [("rang".to_owned(), json!(1))]);
    /// ```
    pub fn take_events(&mut self) -> Vec<(String, Json)> {
        self.host.kept(|kept| std::mem::take(&mut kept.events))
    }

    /// Returns all alarms that are set, sorted by name.
    ///
    /// # Examples
    ///
    /// See [`fire_alarm`](Harness::fire_alarm).
    pub fn alarms(&self) -> Vec<Alarm> {
        self.host.kept(|kept| kept.alarms.values().cloned().collect())
    }

    /// Delivers the next message of another object, and returns the reply of the handler.
    ///
    /// # Errors
    ///
    /// Same as [`call`](Harness::call). A node would retry the message a few times.
    ///
    /// # Panics
    ///
    /// Same as [`call`](Harness::call).
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Post {}
    /// # #[object]
    /// # impl Post {
    /// #     fn take(&mut self, ctx: &Context) -> String { format!("{} {:?}", ctx.caller(), ctx.trigger()) }
    /// # }
    /// let mut post = Harness::<Post>::new();
    /// let ada = ObjectId::new("user", "ada");
    /// assert_eq!(post.deliver(&ada, "take", ()).unwrap(), "user/ada Message(1)");
    /// assert_eq!(post.deliver(&ada, "take", ()).unwrap(), "user/ada Message(2)");
    /// ```
    pub fn deliver(
        &mut self,
        from: &ObjectId,
        handler: &str,
        argument: impl Serialize,
    ) -> Result<Json, HandlerError> {
        let number = self.received.get(from).copied().unwrap_or(0) + 1;
        let reply = self.run(Run {
            handler,
            argument: &to_json(&argument),
            caller: Caller::Object(from.clone()),
            trigger: Trigger::Message(number),
        })?;
        self.received.insert(from.clone(), number);
        Ok(read(&reply))
    }

    /// Advances the time to when the alarm `name` is due, unless it is already later, and calls its handler.
    ///
    /// If the handler does not reject, a repeating alarm is set again for its next time in the future, and any
    /// other alarm is removed.
    ///
    /// # Errors
    ///
    /// Same as [`call`](Harness::call). A node would retry the alarm.
    ///
    /// # Panics
    ///
    /// Panics if the alarm does not exist, and like [`call`](Harness::call).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use highlander_sdk::prelude::*;
    /// use highlander_sdk::testing::Harness;
    ///
    /// #[derive(ObjectState)]
    /// struct Kettle {
    ///     cups: u64,
    /// }
    ///
    /// #[object]
    /// impl Kettle {
    ///     fn brew(&mut self, ctx: &Context, cups: u64) -> Result<(), Rejection> {
    ///         Ok(ctx.set_alarm("tea", Duration::from_secs(180)).call("pour", &cups)?)
    ///     }
    ///     fn pour(&mut self, cups: u64) {
    ///         self.cups += cups;
    ///     }
    /// }
    ///
    /// let mut kettle = Harness::<Kettle>::new();
    /// kettle.call("brew", 2).unwrap();
    /// assert_eq!(kettle.alarms()[0].due_ms, 180_000);
    /// kettle.fire_alarm("tea").unwrap();
    /// assert_eq!(kettle.state().cups, 2);
    /// assert_eq!(kettle.alarms(), []);
    /// ```
    #[track_caller]
    pub fn fire_alarm(&mut self, name: &str) -> Result<Json, HandlerError> {
        let Some(alarm) = self.host.kept(|kept| kept.alarms.get(name).cloned()) else {
            fail(&format!("there is no alarm `{name}`"));
        };
        self.host.set_now_ms(self.host.now_ms().max(alarm.due_ms));
        let reply = self.run(Run {
            handler: &alarm.handler,
            argument: &to_json(&alarm.argument),
            caller: Caller::Object(self.id.clone()),
            trigger: Trigger::Alarm { name: name.to_owned(), due_ms: alarm.due_ms },
        })?;
        Ok(read(&reply))
    }
}

fn read(bytes: &[u8]) -> Json {
    match reading::read(bytes) {
        Ok(value) => value,
        Err(error) => fail(&format!("the reply cannot be read as `Json`: {error}")),
    }
}
