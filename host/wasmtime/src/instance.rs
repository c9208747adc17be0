//! A live instance: calls into the guest, and validation of its results.
//!
//! An instance is marked unusable before guest code runs, and usable again after it returns. So an instance that
//! faulted, or whose call was dropped midway, rejects every further call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::caller::Caller;
use highlander_core::effects::Trigger;
use highlander_core::engine::{
    Fault, GuestCall, Handled, HandlerError, Instance, RestoreError, Snapshot,
};
use highlander_core::error::Rejection;
use highlander_core::id::ObjectId;
use highlander_core::json::is_json;
use highlander_core::limits::{REJECTION_DETAIL_BYTES_MAX, REPLY_BYTES_MAX};
use highlander_core::memory::eviction::InstanceMemory;
use highlander_system::clock;

use super::bindings::Object;
use super::bindings::exports::highlander::object::behavior as wit;
use super::budget::FIRST_SLICE_TICKS;
use super::effects::EffectCollector;
use super::fault::fault_of;
use super::host_state::HostState;
use super::text::printable;

/// Length limit for the text of a rejection.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Length limit for the code of a rejection.
const REFUSAL_CODE_BYTES_MAX: usize = 63;

/// A component in a separate `wasmtime::Store`.
pub(super) struct Sandbox {
    pub(super) store: wasmtime::Store<HostState>,
    pub(super) bindings: Object,
}

impl Sandbox {
    /// Prepares a call: resets budget and quotas, and sets the guest's time to `now_ms`.
    fn begin(&mut self, now_ms: u64) {
        self.store.set_epoch_deadline(FIRST_SLICE_TICKS);
        let guest = self.store.data_mut();
        guest.begin_call(now_ms);
        guest.budget.begin_call();
    }

    fn end<T>(&mut self, result: wasmtime::Result<T>) -> Result<T, Fault> {
        let guest = self.store.data_mut();
        guest.end_call();
        result.map_err(|error| fault_of(&error, guest))
    }

    pub(super) async fn describe(&mut self) -> Result<wit::Description, Fault> {
        self.begin(0);
        let behavior = self.bindings.highlander_object_behavior();
        let result = behavior.call_describe(&mut self.store).await;
        self.end(result)
    }
}

/// Counts one live instance for as long as it exists.
#[derive(Debug)]
pub(super) struct InstanceCount(Arc<AtomicUsize>);

impl InstanceCount {
    pub(super) fn one_more(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for InstanceCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Use that may be made of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usability {
    /// It may be restored.
    Created,
    /// It represents an object.
    Restored,
    /// None: a call is in progress, faulted, or was dropped midway.
    Unusable,
}

/// One instance, which represents an object after `restore`.
pub(super) struct WasmInstance {
    sandbox: Sandbox,
    usability: Usability,
    states_are_json: bool,
    state_max: usize,
    _count: InstanceCount,
}

impl fmt::Debug for WasmInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = &self.sandbox.store.data().object;
        f.debug_struct("WasmInstance").field("object", object).finish_non_exhaustive()
    }
}

impl WasmInstance {
    pub(super) fn new(
        sandbox: Sandbox,
        states_are_json: bool,
        state_max: usize,
        count: InstanceCount,
    ) -> Self {
        Self { sandbox, usability: Usability::Created, states_are_json, state_max, _count: count }
    }

    /// Marks the instance as unusable until the call completes successfully.
    fn begin(&mut self) -> Result<(), Fault> {
        match std::mem::replace(&mut self.usability, Usability::Unusable) {
            Usability::Created | Usability::Restored => Ok(()),
            Usability::Unusable => Err(contract("used after a fault")),
        }
    }

    fn begin_restored(&mut self) -> Result<(), Fault> {
        let is_restored = self.usability == Usability::Restored;
        self.begin()?;
        if is_restored { Ok(()) } else { Err(contract("used before it was restored")) }
    }
}

#[async_trait]
impl Instance for WasmInstance {
    async fn restore(
        &mut self,
        id: &ObjectId,
        snapshot: Option<Snapshot<'_>>,
    ) -> Result<(), RestoreError> {
        self.begin()?;
        let sandbox = &mut self.sandbox;
        sandbox.begin(0);
        sandbox.store.data_mut().object = Some(id.clone());
        let wit_id = named(id);
        let bytes = snapshot.map(|snapshot| snapshot.bytes);
        let schema_version = snapshot.map_or(0, |snapshot| snapshot.schema_version);
        let behavior = sandbox.bindings.highlander_object_behavior();
        let result = behavior.call_restore(&mut sandbox.store, wit_id, bytes, schema_version).await;
        match sandbox.end(result)? {
            Ok(()) => {
                sandbox.store.data_mut().memory.restored();
                self.usability = Usability::Restored;
                Ok(())
            }
            Err(wit::RestoreError::NewerSchema(newest)) => Err(RestoreError::NewerSchema(newest)),
            Err(wit::RestoreError::InvalidSnapshot(why)) => {
                Err(RestoreError::InvalidSnapshot(printable(&why, MESSAGE_BYTES_MAX)))
            }
        }
    }

    async fn handle(
        &mut self,
        call: GuestCall<'_>,
    ) -> Result<Result<Handled, HandlerError>, Fault> {
        self.begin_restored()?;
        let sandbox = &mut self.sandbox;
        sandbox.begin(clock::wall_ms());
        sandbox.store.data_mut().effects = EffectCollector::new(&call);
        let GuestCall { handler, argument, version, caller, trigger, .. } = call;
        let (caller, trigger) = (vouched(caller), trigger_of(trigger));
        let wit_call = wit::Call { handler, argument, version, caller, trigger };
        let behavior = sandbox.bindings.highlander_object_behavior();
        let result = behavior.call_handle(&mut sandbox.store, wit_call).await;
        let ended = sandbox.end(result);
        let effects = std::mem::take(&mut sandbox.store.data_mut().effects);
        let answer = match ended? {
            Ok(reply) => {
                check_reply(&reply)?;
                Ok(Handled { reply: Bytes::from(reply), effects: effects.into_effects() })
            }
            Err(rejection) => Err(rejected(rejection)?),
        };
        self.usability = Usability::Restored;
        Ok(answer)
    }

    async fn snapshot(&mut self) -> Result<Bytes, Fault> {
        self.begin_restored()?;
        let sandbox = &mut self.sandbox;
        sandbox.begin(0);
        let behavior = sandbox.bindings.highlander_object_behavior();
        let result = behavior.call_snapshot(&mut sandbox.store).await;
        let state = sandbox.end(result).map_err(|fault| match fault {
            // The snapshot was too large even to copy: more than twice the limit.
            Fault::HostCalls => {
                Fault::StateTooLarge { bytes: 2 * self.state_max, limit: self.state_max }
            }
            fault => fault,
        })?;
        if state.len() > self.state_max {
            return Err(Fault::StateTooLarge { bytes: state.len(), limit: self.state_max });
        }
        if self.states_are_json && !is_json(&state) {
            return Err(contract("its snapshot is not JSON, although its description says so"));
        }
        self.usability = Usability::Restored;
        Ok(Bytes::from(state))
    }

    fn memory(&self) -> InstanceMemory {
        self.sandbox.store.data().memory.size()
    }
}

fn named(id: &ObjectId) -> wit::ObjectId<'_> {
    wit::ObjectId { type_: id.type_name(), key: id.key() }
}

/// Converts the caller for the guest.
fn vouched(caller: &Caller) -> wit::Caller<'_> {
    match caller {
        Caller::Anonymous => wit::Caller::Anonymous,
        Caller::Principal(principal) => wit::Caller::Principal(principal.name()),
        Caller::Object(id) => wit::Caller::Object(named(id)),
    }
}

/// Converts the trigger for the guest.
fn trigger_of(trigger: &Trigger) -> wit::Trigger<'_> {
    match trigger {
        Trigger::Call => wit::Trigger::Call,
        Trigger::Message(number) => wit::Trigger::Message(*number),
        Trigger::Alarm { name, due_ms } => {
            wit::Trigger::Alarm(wit::DueAlarm { name, due_ms: *due_ms })
        }
    }
}

fn check_reply(reply: &[u8]) -> Result<(), Fault> {
    if reply.len() > REPLY_BYTES_MAX {
        let bytes = reply.len();
        return Err(contract(&format!(
            "its reply has {bytes} bytes; expected at most {REPLY_BYTES_MAX}"
        )));
    }
    if !is_json(reply) {
        return Err(contract("its reply is not JSON"));
    }
    Ok(())
}

fn rejected(rejection: wit::HandlerError) -> Result<HandlerError, Fault> {
    Ok(match rejection {
        wit::HandlerError::InvalidArgument(why) => {
            HandlerError::InvalidArgument(printable(&why, MESSAGE_BYTES_MAX))
        }
        wit::HandlerError::UnknownHandler => {
            let text = "the component describes this handler, but does not implement it";
            HandlerError::UnknownHandler(text.to_owned())
        }
        wit::HandlerError::Rejected(refusal) => HandlerError::Rejected(Rejection {
            code: printable(&refusal.code, REFUSAL_CODE_BYTES_MAX),
            message: printable(&refusal.message, MESSAGE_BYTES_MAX),
            detail: refusal.detail.map(checked_detail).transpose()?.flatten(),
        }),
    })
}

/// Rejects an oversized detail: unlike text, JSON cannot be truncated.
fn checked_detail(detail: Vec<u8>) -> Result<Option<Bytes>, Fault> {
    if detail.len() > REJECTION_DETAIL_BYTES_MAX {
        let bytes = detail.len();
        let text = format!(
            "the detail of its rejection has {bytes} bytes; expected at most {REJECTION_DETAIL_BYTES_MAX}"
        );
        return Err(contract(&text));
    }
    if !is_json(&detail) {
        return Err(contract("the detail of its rejection is not JSON"));
    }
    Ok(Some(Bytes::from(detail)).filter(|detail| detail.trim_ascii() != b"null"))
}

fn contract(text: &str) -> Fault {
    Fault::Contract(text.to_owned())
}
