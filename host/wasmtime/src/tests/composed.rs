//! Components composed of other components, each with a separate memory. `super` tests how such components are
//! rejected.

use super::*;

/// Returns a composition of two components that pass data from one memory to the other.
fn composed() -> Bytes {
    wat::parse_str(include_str!("composed.wat")).unwrap().into()
}

async fn loaded(engine: &WasmtimeEngine) -> Arc<dyn Component> {
    let wasm = composed();
    engine.load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await.unwrap()
}

#[tokio::test]
async fn components_with_a_memory_each_call_each_other() {
    let engine = engine();
    let component = loaded(&engine).await;
    let description = component.describe().await.unwrap();
    let handlers: Vec<_> = description.handlers.iter().map(|h| h.name.as_str()).collect();
    assert_eq!((description.name.as_str(), handlers), ("composed", vec!["echo", "grow"]));
    let mut instance = object(component.as_ref(), "k").await;
    for argument in ["5", "12345", "\"a\""] {
        let twice = call(instance.as_mut(), "echo", argument).await;
        match argument {
            // Two consecutive strings are not JSON, which proves that the output is this.
            "\"a\"" => {
                assert_eq!(twice, Err(Fault::Contract("its reply is not JSON".to_owned())));
            }
            number => assert_eq!(twice.unwrap().unwrap(), number.repeat(2)),
        }
    }
    drop(instance);
    assert_eq!((engine.instance_count(), engine.memory_bytes()), (0, 0));
}

#[tokio::test]
async fn the_memories_of_a_composition_share_one_limit() {
    let engine = engine();
    let component = loaded(&engine).await;
    let mut instance = object(component.as_ref(), "k").await;
    // Each memory is within the limit, but both together are not.
    let fault = call(instance.as_mut(), "grow", "null").await.unwrap_err();
    assert_eq!(fault, Fault::Memory(64 * 1024 * 1024));
    drop(instance);
    assert_eq!(engine.memory_bytes(), 0);
    let memory_max = 128 * 1024 * 1024;
    let engine = WasmtimeEngine::new(SandboxConfig { memory_max, ..sandbox() }).unwrap();
    let component = loaded(&engine).await;
    let mut instance = object(component.as_ref(), "k").await;
    call(instance.as_mut(), "grow", "null").await.unwrap().unwrap();
    assert_eq!(instance.memory().bytes, (2 * 640 + 2) * 65_536);
    // Tables count in the memory of the node.
    assert!(engine.memory_bytes() >= instance.memory().bytes);
}

#[tokio::test]
async fn more_memories_than_an_instance_may_have_are_refused() {
    let module = "(core module $m (memory 1))";
    let instances = "(core instance (instantiate $m))".repeat(5);
    let wasm = Bytes::from(wat::parse_str(format!("(component {module} {instances})")).unwrap());
    let refused = engine().load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await;
    let Err(LoadError::Refused(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("memories"), "{reason}");
}
