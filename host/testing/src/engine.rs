//! Conformance checks that every engine must pass.
//!
//! They need a counter component: state `{"value":0}`; updates `increment` and `add`, which return the sum and
//! reject a 64-bit overflow with the code `overflow`; a query `value`. A check panics if the engine violates the
//! port's rules.

use std::sync::Arc;

use bytes::Bytes;
use highlander_core::engine::{
    Component, Engine, Fault, GuestCall, HandlerError, HandlerKind, Instance, LoadError,
    LoadPurpose, RestoreError, Snapshot,
};
use highlander_core::id::{Digest, ObjectId};

/// Loads a component as if an object needed it.
async fn loaded(engine: &dyn Engine, wasm: Bytes) -> Result<Arc<dyn Component>, LoadError> {
    engine.load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await
}

/// Runs all checks with the counter component `wasm`.
///
/// # Panics
/// If the engine violates the port's rules.
///
/// # Cancel safety
/// Instances may be left behind; they end with the engine.
pub async fn check(engine: &dyn Engine, wasm: Bytes) {
    what_is_no_component_is_refused(engine).await;
    let component = loaded(engine, wasm.clone()).await.expect("it loads");
    assert_eq!(component.digest(), Digest::of(&wasm));
    it_describes_itself(component.as_ref()).await;
    a_new_object_has_its_defaults(component.as_ref()).await;
    a_snapshot_is_read_back(component.as_ref()).await;
    restore_replaces_all(component.as_ref()).await;
    a_rejected_call_can_be_undone(component.as_ref()).await;
    a_wrong_argument_is_rejected(component.as_ref()).await;
    an_unknown_handler_is_rejected(component.as_ref()).await;
    a_snapshot_that_does_not_fit_is_refused(component.as_ref()).await;
    a_newer_schema_is_refused(component.as_ref()).await;
    an_instance_must_be_restored_first(component.as_ref()).await;
    instances_do_not_share_state(&component).await;
}

async fn what_is_no_component_is_refused(engine: &dyn Engine) {
    let bytes = Bytes::from_static(b"certainly not a component");
    let refused = loaded(engine, bytes).await;
    assert!(matches!(refused, Err(LoadError::Refused(_))), "{refused:?}");
}

async fn it_describes_itself(component: &dyn Component) {
    let description = component.describe().await.expect("it describes itself");
    assert_eq!(description, component.describe().await.expect("it describes itself again"));
    assert!(description.schema_version >= 1);
    assert!(description.handlers.is_sorted_by(|a, b| a.name < b.name), "{description:?}");
    let kind = |name: &str| description.handler(name).map(|handler| handler.kind);
    assert_eq!(kind("increment"), Some(HandlerKind::Update));
    assert_eq!(kind("value"), Some(HandlerKind::Query));
    assert_eq!(kind("no-such-handler"), None);
}

async fn a_new_object_has_its_defaults(component: &dyn Component) {
    let mut counter = restored(component, None).await;
    assert_eq!(reply(counter.as_mut(), "value", "null").await, "0");
}

async fn a_snapshot_is_read_back(component: &dyn Component) {
    let mut counter = restored(component, Some(r#"{"value":40}"#)).await;
    assert_eq!(reply(counter.as_mut(), "increment", "null").await, "41");
    assert_eq!(reply(counter.as_mut(), "add", "1").await, "42");
    let snapshot = counter.snapshot().await.expect("it has a snapshot");
    assert_eq!(counter.snapshot().await, Ok(snapshot.clone()), "a snapshot changes nothing");
    let text = std::str::from_utf8(&snapshot).expect("it is JSON");
    let mut other = restored(component, Some(text)).await;
    assert_eq!(reply(other.as_mut(), "value", "null").await, "42");
}

async fn restore_replaces_all(component: &dyn Component) {
    let mut counter = restored(component, Some(r#"{"value":7}"#)).await;
    restore(counter.as_mut(), None).await.expect("it can become another object");
    assert_eq!(reply(counter.as_mut(), "value", "null").await, "0");
}

async fn a_rejected_call_can_be_undone(component: &dyn Component) {
    let full = r#"{"value":18446744073709551615}"#;
    let mut counter = restored(component, Some(full)).await;
    let rejected = call(counter.as_mut(), "increment", "null").await.expect("it does not fault");
    let Err(HandlerError::Rejected(refusal)) = rejected else { unexpected(&rejected) };
    assert_eq!(refusal.code, "overflow");
    restore(counter.as_mut(), Some(full)).await.expect("it can be restored again");
    assert_eq!(reply(counter.as_mut(), "value", "null").await, u64::MAX.to_string());
}

async fn a_wrong_argument_is_rejected(component: &dyn Component) {
    let mut counter = restored(component, None).await;
    for argument in [r#""many""#, "-1", "[]", "{", ""] {
        let rejected = call(counter.as_mut(), "add", argument).await;
        let is_right = matches!(rejected, Ok(Err(HandlerError::InvalidArgument(_))));
        assert!(is_right, "{argument}: {rejected:?}");
    }
    assert_eq!(reply(counter.as_mut(), "value", "null").await, "0");
}

async fn an_unknown_handler_is_rejected(component: &dyn Component) {
    let mut counter = restored(component, None).await;
    let rejected = call(counter.as_mut(), "no-such-handler", "null").await;
    assert!(matches!(rejected, Ok(Err(HandlerError::UnknownHandler(_)))), "{rejected:?}");
}

async fn a_snapshot_that_does_not_fit_is_refused(component: &dyn Component) {
    for snapshot in ["{", r#"{"value":"many"}"#, "3"] {
        let mut counter = component.instantiate().await.expect("there is an instance");
        let refused = restore(counter.as_mut(), Some(snapshot)).await;
        let is_right = matches!(refused, Err(RestoreError::InvalidSnapshot(_)));
        assert!(is_right, "{snapshot}: {refused:?}");
        // The instance must not be used after an error.
        assert!(matches!(counter.snapshot().await, Err(Fault::Contract(_))));
    }
}

async fn a_newer_schema_is_refused(component: &dyn Component) {
    let known = component.describe().await.expect("it describes itself").schema_version;
    let mut counter = component.instantiate().await.expect("there is an instance");
    let snapshot = Snapshot { bytes: br#"{"value":1}"#, schema_version: known + 1 };
    let refused = counter.restore(&id(), Some(snapshot)).await;
    assert_eq!(refused, Err(RestoreError::NewerSchema(known)));
}

async fn an_instance_must_be_restored_first(component: &dyn Component) {
    let mut counter = component.instantiate().await.expect("there is an instance");
    let faulted = call(counter.as_mut(), "value", "null").await;
    assert!(matches!(faulted, Err(Fault::Contract(_))), "{faulted:?}");
}

async fn instances_do_not_share_state(component: &Arc<dyn Component>) {
    let mut one = restored(component.as_ref(), None).await;
    let mut other = restored(component.as_ref(), None).await;
    assert_eq!(reply(one.as_mut(), "increment", "null").await, "1");
    assert_eq!(reply(other.as_mut(), "value", "null").await, "0");
}

fn id() -> ObjectId {
    ObjectId::new("counter", "conformance").expect("it follows the grammar")
}

async fn restored(component: &dyn Component, snapshot: Option<&str>) -> Box<dyn Instance> {
    let mut instance = component.instantiate().await.expect("there is an instance");
    restore(instance.as_mut(), snapshot).await.expect("it is restored");
    instance
}

fn first_schema(text: &str) -> Snapshot<'_> {
    Snapshot { bytes: text.as_bytes(), schema_version: 1 }
}

async fn restore(instance: &mut dyn Instance, snapshot: Option<&str>) -> Result<(), RestoreError> {
    instance.restore(&id(), snapshot.map(first_schema)).await
}

async fn call(
    instance: &mut dyn Instance,
    handler: &str,
    argument: &str,
) -> Result<Result<Bytes, HandlerError>, Fault> {
    let call = GuestCall::new(handler, HandlerKind::Update, argument.as_bytes(), 1);
    Ok(instance.handle(call).await?.map(|handled| handled.reply))
}

async fn reply(instance: &mut dyn Instance, handler: &str, argument: &str) -> String {
    match call(instance, handler, argument).await {
        Ok(Ok(reply)) => String::from_utf8_lossy(&reply).into_owned(),
        other => unexpected(&other),
    }
}

#[track_caller]
#[allow(clippy::panic, reason = "a failed check panics")]
fn unexpected(answer: &dyn std::fmt::Debug) -> ! {
    panic!("unexpected reply: {answer:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_engine::FakeEngine;

    #[tokio::test]
    async fn the_scripted_engine_conforms() {
        let counter = Bytes::from_static(b"scripted:counter");
        check(&FakeEngine::new(), counter).await;
    }

    #[tokio::test]
    async fn a_scripted_instance_that_faulted_is_not_used_again() {
        let counter = Bytes::from_static(b"scripted:counter");
        let engine = FakeEngine::new();
        let component = loaded(&engine, counter).await.unwrap();
        let mut instance = restored(component.as_ref(), None).await;
        let trapped = call(instance.as_mut(), "trap", "null").await;
        assert!(matches!(trapped, Err(Fault::Trapped(_))));
        let refused = restore(instance.as_mut(), None).await;
        assert!(matches!(refused, Err(RestoreError::Fault(Fault::Contract(_)))));
    }
}
