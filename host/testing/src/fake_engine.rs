//! A fake engine without Wasm for tests and simulations: every component is the same counter, written in Rust.
//!
//! It is deterministic, instant except for `sleep`, and conforms to the port, so that the layers above can be
//! tested without a compiler. It isolates nothing and must not be used in a real node.

mod handlers;
mod held;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::effects::{Alarm, Effects, Event, Message};
use highlander_core::engine::{
    Component, Description, Engine, Fault, GuestCall, Handled, Handler, HandlerError, Instance,
    LoadError, LoadPurpose, OutboundCall, RestoreError, Snapshot,
};
use highlander_core::error::Rejection;
use highlander_core::id::{Digest, ObjectId, TypeName};
use highlander_core::memory::{MemoryTotal, eviction::InstanceMemory};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use handlers::HANDLERS;
use held::Held;

/// Prefix of a scripted component's bytes.
const PREFIX: &str = "scripted:";

/// Engine that loads bytes such as `scripted:counter`, or `scripted:counter@2 any text` for schema version 2.
///
/// Text after a space changes the digest. Its words may select objects by key prefix: `unreadable:a` makes
/// restoring their state fail, and `trapping:a` makes every call trap. `without:add` leaves out the handler `add`. Any
/// other bytes are rejected like bytes that are not a component.
#[derive(Debug, Clone)]
pub struct FakeEngine {
    state_max: usize,
    memory: Arc<MemoryTotal>,
}

impl FakeEngine {
    /// Creates an engine whose states may have up to 1 MiB, and whose memory is unlimited.
    #[must_use]
    pub fn new() -> Self {
        Self { state_max: 1024 * 1024, memory: Arc::new(MemoryTotal::unlimited()) }
    }

    /// Returns the engine with another size limit for states, in bytes.
    #[must_use]
    pub fn with_state_max(self, state_max: usize) -> Self {
        Self { state_max, ..self }
    }

    /// Returns the engine with a limit for the memory of all instances, in bytes. An instance uses what the handler
    /// `hold` was last called with, and at first nothing.
    #[must_use]
    pub fn with_memory_total(self, max: usize) -> Self {
        Self { memory: Arc::new(MemoryTotal::new(max)), ..self }
    }
}

impl Default for FakeEngine {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Engine for FakeEngine {
    async fn load(
        &self,
        digest: Digest,
        wasm: Bytes,
        _: &LoadPurpose,
    ) -> Result<Arc<dyn Component>, LoadError> {
        let refused = || LoadError::Refused(format!("not a scripted component: {PREFIX}TYPE"));
        let text = std::str::from_utf8(&wasm).map_err(|_| refused())?;
        let text = text.strip_prefix(PREFIX).ok_or_else(refused)?;
        let word = text.split_whitespace().next().ok_or_else(refused)?;
        let prefix = |kind: &str| {
            let mut rest = text.split_whitespace().skip(1);
            rest.find_map(|word| word.strip_prefix(kind)).map(str::to_owned)
        };
        let (name, schema_version) = match word.split_once('@') {
            Some((name, schema)) => (name, schema.parse().map_err(|_| refused())?),
            None => (word, 1),
        };
        let name =
            TypeName::new(name).map_err(|invalid| LoadError::Refused(invalid.to_string()))?;
        Ok(Arc::new(Counter {
            digest,
            name,
            schema_version,
            state_max: self.state_max,
            unreadable: prefix("unreadable:"),
            trapping: prefix("trapping:"),
            without: prefix("without:"),
            memory: Arc::clone(&self.memory),
        }))
    }

    fn memory(&self) -> &Arc<MemoryTotal> {
        &self.memory
    }
}

/// The only component.
#[derive(Debug)]
struct Counter {
    digest: Digest,
    name: TypeName,
    schema_version: u32,
    state_max: usize,
    unreadable: Option<String>,
    trapping: Option<String>,
    without: Option<String>,
    memory: Arc<MemoryTotal>,
}

#[async_trait]
impl Component for Counter {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn reaches_out(&self) -> bool {
        true
    }

    async fn describe(&self) -> Result<Description, LoadError> {
        let has = |name: &str| self.without.as_deref() != Some(name);
        let handlers =
            HANDLERS.iter().filter(|handler| has(handler.0)).map(|&(name, kind, documentation)| {
                Handler {
                    name: name.to_owned(),
                    kind,
                    documentation: documentation.to_owned(),
                    argument: json!(true),
                    reply: json!(true),
                }
            });
        Ok(Description {
            name: self.name.clone(),
            documentation: "A counter.".to_owned(),
            schema_version: self.schema_version,
            state_content_type: "application/json".to_owned(),
            state: json!({
                "type": "object",
                "properties": { "value": { "type": "integer" }, "ballast": { "type": "string" } },
            }),
            handlers: handlers.collect(),
            publish_state: true,
        })
    }

    async fn instantiate(&self) -> Result<Box<dyn Instance>, Fault> {
        Ok(Box::new(CounterInstance {
            state: None,
            schema_version: self.schema_version,
            state_max: self.state_max,
            unreadable: self.unreadable.clone(),
            trapping: self.trapping.clone(),
            is_trapping: false,
            usable: true,
            held: Held::new(&self.memory),
        }))
    }
}

/// State of a counter. Empty ballast is omitted.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    #[serde(default)]
    value: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    ballast: String,
}

#[derive(Debug)]
struct CounterInstance {
    /// `None` before the first `restore`.
    state: Option<State>,
    schema_version: u32,
    state_max: usize,
    unreadable: Option<String>,
    trapping: Option<String>,
    /// Whether the object traps in every call.
    is_trapping: bool,
    /// False while a function runs, so that it remains false if the function faults or is dropped.
    usable: bool,
    held: Held,
}

impl CounterInstance {
    fn begin(&mut self) -> Result<(), Fault> {
        if std::mem::replace(&mut self.usable, false) {
            Ok(())
        } else {
            Err(Fault::Contract("used after a fault".to_owned()))
        }
    }

    async fn run(&mut self, call: GuestCall<'_>, effects: &mut Effects) -> Result<Value, Stop> {
        if self.is_trapping {
            return Err(trapped());
        }
        let state = self.state.as_mut().ok_or_else(|| contract("called before restore"))?;
        Ok(match call.handler {
            "value" => json!(state.value),
            "version" => json!(call.version),
            "caller" => json!(call.caller.to_string()),
            "call" => return call_other(call).await,
            "publish" => {
                let (name, data) = ("news".into(), call.argument.to_vec().into());
                effects.events.push(Event { name, data });
                Value::Null
            }
            "send" => send(call.argument, effects)?,
            "set_alarm" => set_alarm(call, effects)?,
            "get" => json!(state),
            "increment" => state.add(1)?,
            "add" => state.add(argument(call.argument)?)?,
            "put" => {
                *state = argument(call.argument)?;
                Value::Null
            }
            "grow" => {
                state.ballast = "x".repeat(argument(call.argument)?);
                Value::Null
            }
            "hold" => {
                self.held.set(argument(call.argument)?)?;
                Value::Null
            }
            "sleep" => {
                tokio::time::sleep(Duration::from_millis(argument(call.argument)?)).await;
                Value::Null
            }
            "reject" => return Err(refused("scripted")),
            "reject_after_change" => {
                state.add(1)?;
                return Err(refused("scripted"));
            }
            "trap" => return Err(trapped()),
            "trap_after_change" => {
                state.add(1)?;
                return Err(trapped());
            }
            _ => return Err(Stop::Rejected(HandlerError::UnknownHandler(String::new()))),
        })
    }
}

#[async_trait]
impl Instance for CounterInstance {
    async fn restore(
        &mut self,
        id: &ObjectId,
        snapshot: Option<Snapshot<'_>>,
    ) -> Result<(), RestoreError> {
        self.begin()?;
        let is_named = |prefix: &Option<String>| {
            prefix.as_ref().is_some_and(|prefix| id.key().starts_with(prefix))
        };
        if is_named(&self.unreadable) {
            return Err(RestoreError::InvalidSnapshot("scripted".to_owned()));
        }
        self.is_trapping = is_named(&self.trapping);
        let state = match snapshot {
            None => State::default(),
            Some(snapshot) if snapshot.schema_version > self.schema_version => {
                return Err(RestoreError::NewerSchema(self.schema_version));
            }
            Some(snapshot) => serde_json::from_slice(snapshot.bytes)
                .map_err(|invalid| RestoreError::InvalidSnapshot(invalid.to_string()))?,
        };
        self.state = Some(state);
        self.usable = true;
        Ok(())
    }

    async fn handle(
        &mut self,
        call: GuestCall<'_>,
    ) -> Result<Result<Handled, HandlerError>, Fault> {
        self.begin()?;
        let mut effects = Effects::default();
        let answer = match self.run(call, &mut effects).await {
            Ok(reply) => Ok(Handled { reply: Bytes::from(reply.to_string()), effects }),
            Err(Stop::Rejected(rejection)) => Err(rejection),
            Err(Stop::Faulted(fault)) => return Err(fault),
        };
        self.usable = true;
        Ok(answer)
    }

    async fn snapshot(&mut self) -> Result<Bytes, Fault> {
        self.begin()?;
        let state = self.state.as_ref().ok_or_else(|| contract("snapshot before restore"))?;
        let bytes = serde_json::to_vec(state).map_err(|error| contract(&error.to_string()))?;
        if bytes.len() > self.state_max {
            return Err(Fault::StateTooLarge { bytes: bytes.len(), limit: self.state_max });
        }
        self.usable = true;
        Ok(bytes.into())
    }

    fn memory(&self) -> InstanceMemory {
        self.held.memory()
    }
}

impl State {
    fn add(&mut self, by: u64) -> Result<Value, Stop> {
        let sum = self.value.checked_add(by).ok_or_else(|| refused("overflow"))?;
        self.value = sum;
        Ok(json!(sum))
    }
}

async fn call_other(call: GuestCall<'_>) -> Result<Value, Stop> {
    let (type_name, key, handler): (String, String, Box<str>) = argument(call.argument)?;
    let to = ObjectId::new(&type_name, &key).map_err(|_| refused("no-object"))?;
    let outbound = call.outbound.ok_or_else(|| refused("alone"))?;
    let argument = Bytes::from_static(b"null");
    let made = OutboundCall { to, handler, argument, timeout: None, key: None };
    match outbound.call(made).await {
        Ok(reply) => Ok(json!({ "ok": serde_json::from_slice::<Value>(&reply).ok() })),
        Err(error) => Ok(json!({ "error": format!("{error:?}") })),
    }
}

fn send(bytes: &[u8], effects: &mut Effects) -> Result<Value, Stop> {
    let (type_name, key, count): (String, String, usize) = argument(bytes)?;
    let to = ObjectId::new(&type_name, &key).map_err(|_| refused("no-object"))?;
    let (handler, argument) = ("increment".into(), Bytes::from_static(b"null"));
    let message = Message { to, handler, argument };
    effects.messages.extend(std::iter::repeat_n(message, count));
    Ok(Value::Null)
}

fn set_alarm(call: GuestCall<'_>, effects: &mut Effects) -> Result<Value, Stop> {
    let after_ms: u64 = argument(call.argument)?;
    let set = call.alarms.map(|alarms| alarms.to_vec()).unwrap_or_default();
    let due_ms = highlander_system::clock::wall_ms() + after_ms;
    let alarm = Alarm::new("scripted", due_ms, None, "increment", "null");
    let kept = set.into_iter().filter(|known| known.name != alarm.name);
    effects.alarms = Some(kept.chain([alarm.clone()]).collect());
    Ok(Value::Null)
}

/// Reason why a handler does not reply.
enum Stop {
    Rejected(HandlerError),
    Faulted(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Faulted(fault)
    }
}

fn argument<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Stop> {
    serde_json::from_slice(bytes)
        .map_err(|error| Stop::Rejected(HandlerError::InvalidArgument(error.to_string())))
}

fn refused(code: &str) -> Stop {
    Stop::Rejected(HandlerError::Rejected(Rejection {
        code: code.to_owned(),
        message: "the script says no".to_owned(),
        detail: Some(Bytes::from_static(b"{\"left\": 18446744073709551616}")),
    }))
}

fn trapped() -> Stop {
    Stop::Faulted(Fault::Trapped("scripted".to_owned()))
}

fn contract(text: &str) -> Fault {
    Fault::Contract(text.to_owned())
}
