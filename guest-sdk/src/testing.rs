//! Native test harness: runs an object without Wasm and without a host.
//!
//! A [`Harness`] does the work of the host: JSON in, JSON out, a snapshot after each update, and the last snapshot
//! again after a rejected call. It restores the object before *every* call, as if the object had been unloaded, so
//! that a test notices data that is not in the state. It has no limits on CPU time or memory. `environment.rs` has
//! the environment of the object, and `snapshots.rs` its stored state.

mod environment;
mod panics;
mod snapshots;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::environment::Message;
use self::panics::{fail, to_json};
use crate::Json;
use crate::call::HandlerError;
use crate::caller::{Caller, ObjectId, Trigger};
use crate::description::Description;
use crate::handler::HandlerKind;
use crate::host::Host;
use crate::instance::{Call, Instance};
use crate::object::Object;
use crate::reading;
use crate::rejection::Rejection;
use crate::restore_error::RestoreError;

/// One object under test.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
/// use highlander_sdk::testing::Harness;
///
/// #[derive(ObjectState)]
/// struct Counter {
///     value: u64,
/// }
///
/// #[object]
/// impl Counter {
///     fn add(&mut self, by: u64) -> Result<u64, Rejection> {
///         self.value += by;
///         if self.value > 100 {
///             reject!("too-much", "a counter ends at 100");
///         }
///         Ok(self.value)
///     }
/// }
///
/// let mut counter = Harness::<Counter>::new();
/// assert_eq!(counter.call("add", 90).unwrap(), 90);
/// assert_eq!(counter.rejection("add", 90).code(), "too-much");
/// assert_eq!(counter.state().value, 90, "a rejected call leaves no trace");
/// assert_eq!(counter.version(), 1);
/// ```
#[derive(Debug)]
pub struct Harness<O> {
    id: ObjectId,
    host: Host,
    instance: Instance<O>,
    snapshot: Vec<u8>,
    version: u64,
    caller: Caller,
    description: Description,
    /// Number of the last message from each object.
    received: BTreeMap<ObjectId, u64>,
}

/// One call of a handler.
struct Run<'a> {
    handler: &'a str,
    argument: &'a [u8],
    caller: Caller,
    trigger: Trigger,
}

impl<O: Object> Default for Harness<O> {
    fn default() -> Harness<O> {
        Harness::new()
    }
}

impl<O: Object> Harness<O> {
    /// Creates an object with the defaults of its type and the key `test`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter {}
    /// assert_eq!(Harness::<Counter>::new().state().value, 0);
    /// ```
    pub fn new() -> Harness<O> {
        Harness::with_key("test")
    }

    /// Creates an object with the defaults of its type and the key `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter { fn name(&self, ctx: &Context) -> String { ctx.key().to_owned() } }
    /// let mut counter = Harness::<Counter>::with_key("visitors");
    /// assert_eq!(counter.call("name", ()).unwrap(), "visitors");
    /// ```
    pub fn with_key(key: &str) -> Harness<O> {
        let id = ObjectId::new(O::TYPE_NAME, key);
        match Harness::open(id, None, 0) {
            Ok(harness) => harness,
            Err(error) => fail(&format!("a new object cannot be created: {error}")),
        }
    }

    fn open(
        id: ObjectId,
        snapshot: Option<&[u8]>,
        schema_version: u32,
    ) -> Result<Harness<O>, RestoreError> {
        let host = Host::default();
        let instance = Instance::restore(id.clone(), host.clone(), snapshot, schema_version)?;
        let version = u64::from(snapshot.is_some());
        let snapshot = instance.snapshot();
        let description = Description::of::<O>();
        let handlers = description.handlers.iter().map(|handler| (handler.name, handler.kind));
        host.set_own((O::TYPE_NAME, handlers.collect()));
        let caller = Caller::Anonymous;
        let received = BTreeMap::new();
        Ok(Harness { id, host, instance, snapshot, version, caller, description, received })
    }

    /// Calls a handler and returns its reply. The argument is serialized as JSON; pass `()` for no argument.
    ///
    /// # Errors
    ///
    /// Returns an error if the argument does not match, the handler is unknown, or the object rejects the call. The
    /// state is then unchanged.
    ///
    /// # Panics
    ///
    /// Panics if the handler panics, or the state that it produced cannot be restored from its own snapshot.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter { fn add(&mut self, by: u64) -> u64 { self.value += by; self.value } }
    /// let mut counter = Harness::<Counter>::new();
    /// assert_eq!(counter.call("add", 5).unwrap(), 5);
    /// assert!(matches!(counter.call("add", "five"), Err(HandlerError::InvalidArgument(_))));
    /// assert!(matches!(counter.call("addd", 5), Err(HandlerError::UnknownHandler)));
    /// ```
    pub fn call(&mut self, handler: &str, argument: impl Serialize) -> Result<Json, HandlerError> {
        self.call_as(handler, argument)
    }

    /// Calls a handler like [`call`](Harness::call), and deserializes its reply as a `T`.
    ///
    /// # Errors
    ///
    /// Same as [`call`](Harness::call).
    ///
    /// # Panics
    ///
    /// Panics like [`call`](Harness::call), and if the reply is not a valid `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter { fn half(&self) -> Option<u64> { self.value.checked_div(2) } }
    /// let half: Option<u64> = Harness::<Counter>::new().call_as("half", ()).unwrap();
    /// assert_eq!(half, Some(0));
    /// ```
    pub fn call_as<T: DeserializeOwned>(
        &mut self,
        handler: &str,
        argument: impl Serialize,
    ) -> Result<T, HandlerError> {
        let argument = to_json(&argument);
        let (caller, trigger) = (self.caller.clone(), Trigger::Call);
        let reply = self.run(Run { handler, argument: &argument, caller, trigger })?;
        match reading::read(&reply) {
            Ok(reply) => Ok(reply),
            Err(error) => {
                fail(&format!("the reply of `{handler}` does not match the expected type: {error}"))
            }
        }
    }

    /// Calls a handler that must reject the call, and returns the rejection.
    ///
    /// # Panics
    ///
    /// Panics if the call succeeds, or fails in another way.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Door { open: bool }
    /// #[object]
    /// impl Door {
    ///     fn enter(&self) -> Result<(), Rejection> {
    ///         Err(Rejection::new("closed", "the door is closed"))
    ///     }
    /// }
    ///
    /// assert_eq!(Harness::<Door>::new().rejection("enter", ()).code(), "closed");
    /// ```
    #[track_caller]
    pub fn rejection(&mut self, handler: &str, argument: impl Serialize) -> Rejection {
        match self.call(handler, argument) {
            Err(HandlerError::Rejected(rejection)) => rejection,
            Err(error) => fail(&format!("`{handler}` failed, but not with a rejection: {error}")),
            Ok(reply) => fail(&format!("`{handler}` was not rejected: it returned {reply}")),
        }
    }

    /// Returns the current state.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter {}
    /// assert_eq!(Harness::<Counter>::new().state().value, 0);
    /// ```
    pub fn state(&self) -> &O {
        self.instance.state()
    }

    /// Returns the number of updates that were not rejected. A restored object begins at 1.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter {}
    /// let mut counter = Harness::<Counter>::new();
    /// counter.call("put", json!({ "value": 3 })).unwrap();
    /// assert_eq!(counter.version(), 1);
    /// ```
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the description of the object type.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter {}
    /// assert_eq!(Harness::<Counter>::new().description().name, "counter");
    /// ```
    pub fn description(&self) -> &Description {
        &self.description
    }

    fn run(&mut self, run: Run<'_>) -> Result<Vec<u8>, HandlerError> {
        let handler = run.handler;
        let Some(kind) = self.kind_of(handler) else {
            return Err(HandlerError::UnknownHandler);
        };
        self.instance = self.reopen();
        self.host.begin(kind, &run.trigger);
        let reply = self.instance.handle(Call {
            handler,
            argument: run.argument,
            version: self.version,
            caller: run.caller,
            trigger: run.trigger,
        });
        match (&reply, kind) {
            (Ok(_), HandlerKind::Update) => self.keep_change(handler),
            (Ok(_), HandlerKind::Query) | (Err(_), _) => self.instance = self.reopen(),
        }
        reply
    }

    fn kind_of(&self, handler: &str) -> Option<HandlerKind> {
        self.description.handlers.iter().find(|known| known.name == handler).map(|known| known.kind)
    }

    /// Restores the object from its last snapshot.
    fn reopen(&self) -> Instance<O> {
        let restored = Instance::restore(
            self.id.clone(),
            self.host.clone(),
            Some(&self.snapshot),
            O::SCHEMA_VERSION,
        );
        match restored {
            Ok(instance) => instance,
            Err(error) => fail(&format!("the object cannot read its own snapshot: {error}")),
        }
    }

    fn keep_change(&mut self, handler: &str) {
        self.host.keep();
        let changed = to_json(self.state());
        self.snapshot = self.instance.snapshot();
        self.version += 1;
        self.instance = self.reopen();
        let again = to_json(self.state());
        // Compared as JSON: the order of a hash map may differ, though it is better to have none in a state.
        let json = |bytes: &[u8]| serde_json::from_slice::<Json>(bytes).ok();
        if again != changed && json(&again) != json(&changed) {
            let again = String::from_utf8_lossy(&again);
            fail(&format!(
                "the state after `{handler}` is not the same once it is restored from a snapshot: {again}"
            ));
        }
    }
}
