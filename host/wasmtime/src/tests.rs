//! The sandbox with guests that follow the WIT world, and with guests that do not.
//!
//! `cargo xtask build-guests` builds the guests.

mod composed;
mod limits;
mod memory;
mod refusals;
mod restores;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highlander_core::caller::scopes::Scopes;
use highlander_core::caller::{Caller, Principal};
use highlander_core::engine::{
    Fault, GuestCall, HandlerError, HandlerKind, Instance, RestoreError, Snapshot,
};
use highlander_core::id::ObjectId;

use super::*;

/// Returns the sandbox of most tests: few instances, and a time limit that harmless guests meet even on a busy
/// machine.
pub(super) fn sandbox() -> SandboxConfig {
    SandboxConfig { resident_max: 16, ..SandboxConfig::default() }
}

fn engine() -> WasmtimeEngine {
    WasmtimeEngine::new(sandbox()).unwrap()
}

/// Returns the bytes of a built guest.
pub(super) fn guest(name: &str) -> Bytes {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let dir = std::env::var_os("HIGHLANDER_GUESTS").map_or(workspace, PathBuf::from);
    let path = dir.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path);
    bytes.unwrap_or_else(|_| panic!("no {}: run cargo xtask build-guests", path.display())).into()
}

async fn load(engine: &WasmtimeEngine, name: &str) -> Arc<dyn Component> {
    let wasm = guest(name);
    engine.load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await.unwrap()
}

async fn object(component: &dyn Component, key: &str) -> Box<dyn Instance> {
    let mut instance = component.instantiate().await.unwrap();
    instance.restore(&ObjectId::new("test", key).unwrap(), None).await.unwrap();
    instance
}

async fn call(
    instance: &mut dyn Instance,
    handler: &str,
    argument: &str,
) -> Result<Result<Bytes, HandlerError>, Fault> {
    let call = GuestCall::new(handler, HandlerKind::Update, argument.as_bytes(), 3);
    Ok(instance.handle(call).await?.map(|handled| handled.reply))
}

#[tokio::test]
async fn the_wasmtime_engine_conforms() {
    highlander_testing::engine::check(&engine(), guest("counter")).await;
}

#[tokio::test]
async fn a_handler_sees_who_calls() {
    let engine = engine();
    let component = load(&engine, "list").await;
    let mut list = component.instantiate().await.unwrap();
    let bytes = br#"{"title":"","todos":[],"allowed_users":["ada"]}"#;
    let state = Snapshot { bytes, schema_version: 1 };
    list.restore(&ObjectId::new("list", "home").unwrap(), Some(state)).await.unwrap();
    for (caller, said) in [
        (Caller::from(Principal::new("ada", Scopes::default()).unwrap()), "1"),
        (Caller::from(Principal::new("bob", Scopes::default()).unwrap()), "bob may not change"),
        (Caller::Object(ObjectId::new("user", "ada").unwrap()), "user/ada may not change"),
        (Caller::Anonymous, "anonymous may not change"),
    ] {
        let argument = br#"{"todo":"milk"}"#;
        let call = GuestCall::new("insert_todo", HandlerKind::Update, argument, 1);
        let call = GuestCall { caller: &caller, ..call };
        let answer = match list.handle(call).await.unwrap() {
            Ok(handled) => String::from_utf8(handled.reply.to_vec()).unwrap(),
            Err(HandlerError::Rejected(refusal)) => refusal.message,
            Err(other) => panic!("{other:?}"),
        };
        assert!(answer.starts_with(said), "{answer}");
    }
}

#[tokio::test]
async fn a_call_sees_its_object_its_version_and_the_time() {
    let engine = engine();
    let component = load(&engine, "misbehaving").await;
    let mut instance = component.instantiate().await.unwrap();
    let id = ObjectId::new("misbehaving", "some/key").unwrap();
    instance.restore(&id, None).await.unwrap();
    let before = clock::wall_ms();
    let reply = call(instance.as_mut(), "context", "null").await.unwrap().unwrap();
    let context: serde_json::Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(context["key"], "some/key");
    assert_eq!(context["type"], "misbehaving");
    assert_eq!(context["version"], 3);
    let now_ms = context["now_ms"].as_u64().unwrap();
    assert!((before..=clock::wall_ms()).contains(&now_ms), "{now_ms}");
}

#[tokio::test]
async fn a_loaded_component_makes_many_instances_and_gives_them_back() {
    let engine = engine();
    let component = load(&engine, "counter").await;
    for _ in 0..200 {
        let mut instance = object(component.as_ref(), "k").await;
        assert_eq!(call(instance.as_mut(), "increment", "null").await.unwrap().unwrap(), "1");
    }
    assert_eq!(engine.instance_count(), 0);
    assert_eq!(engine.memory_bytes(), 0);
}

#[tokio::test]
async fn a_component_whose_bytes_are_not_its_digest_is_refused() {
    let refused =
        engine().load(Digest::of(b"other"), guest("counter"), &LoadPurpose::Activation).await;
    assert!(matches!(refused, Err(LoadError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn more_instances_than_there_is_room_for_are_refused_and_the_others_go_on() {
    let engine = WasmtimeEngine::new(SandboxConfig { resident_max: 1, ..sandbox() }).unwrap();
    let component = load(&engine, "counter").await;
    let mut live = Vec::new();
    let fault = loop {
        match component.instantiate().await {
            Ok(instance) => live.push(instance),
            Err(fault) => break fault,
        }
        assert!(live.len() < 1000);
    };
    assert_eq!(fault, Fault::Exhausted("too many instances are live".to_owned()));
    live.pop();
    object(component.as_ref(), "k").await;
}

#[tokio::test]
async fn compiled_code_is_kept_on_disk_and_loaded_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let cache_dir = Some(dir.path().join("code"));
    for _ in 0..2 {
        let sandbox = SandboxConfig { cache_dir: cache_dir.clone(), ..sandbox() };
        let engine = WasmtimeEngine::new(sandbox).unwrap();
        let component = load(&engine, "counter").await;
        let mut instance = object(component.as_ref(), "k").await;
        assert_eq!(call(instance.as_mut(), "increment", "null").await.unwrap().unwrap(), "1");
        assert_eq!(engine.cache_failed_count(), 0);
    }
    let files = std::fs::read_dir(dir.path().join("code")).unwrap();
    assert_eq!(files.count(), 2, "the key and one file of code");
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_keeps_nobody_from_loading() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let cache_dir = Some(file.path().join("code"));
    let engine = WasmtimeEngine::new(SandboxConfig { cache_dir, ..sandbox() }).unwrap();
    load(&engine, "counter").await;
}

#[test]
fn more_instances_than_the_kernel_has_mappings_for_are_refused() {
    assert!(config::check_mappings(4_096, 65_530).is_ok());
    let refused = config::check_mappings(20_000, 65_530);
    let needed = 4 * (20_000 + 64) + 4_096;
    let is_right =
        matches!(refused, Err(Error::Mappings { needed: n, allowed: 65_530, .. }) if n == needed);
    assert!(is_right, "{refused:?}");
}
