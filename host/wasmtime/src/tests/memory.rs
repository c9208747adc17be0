//! The memory of all instances together, and of the compiler.

use highlander_core::memory::MemoryKind;

use super::*;

const MIB: usize = 1024 * 1024;

async fn keep(instance: &mut dyn Instance, bytes: usize) -> Result<(), Fault> {
    call(instance, "keep_memory", &bytes.to_string()).await.map(|kept| drop(kept.unwrap()))
}

#[tokio::test]
async fn growth_past_the_total_fails_its_call_alone() {
    let memory_total = 96 * MIB;
    let engine = WasmtimeEngine::new(SandboxConfig { memory_total, ..sandbox() }).unwrap();
    let component = load(&engine, "misbehaving").await;
    let mut first = object(component.as_ref(), "a").await;
    keep(first.as_mut(), 50 * MIB).await.unwrap();
    let mut second = object(component.as_ref(), "b").await;
    assert_eq!(keep(second.as_mut(), 50 * MIB).await, Err(Fault::NodeMemoryFull(memory_total)));
    assert_eq!(
        keep(second.as_mut(), 1).await,
        Err(Fault::Contract("used after a fault".to_owned()))
    );
    assert!(engine.memory().used() < memory_total);
    // The other instance may still grow within the total.
    keep(first.as_mut(), 8 * MIB).await.unwrap();
    drop((first, second));
    assert_eq!(engine.memory().used(), 0);
    let mut third = object(component.as_ref(), "c").await;
    keep(third.as_mut(), 50 * MIB).await.unwrap();
}

#[tokio::test]
async fn a_guest_that_exceeds_its_own_limit_first_is_to_blame_itself() {
    let memory_total = 96 * MIB;
    let engine = WasmtimeEngine::new(SandboxConfig { memory_total, ..sandbox() }).unwrap();
    let component = load(&engine, "misbehaving").await;
    let mut instance = object(component.as_ref(), "a").await;
    assert_eq!(keep(instance.as_mut(), 70 * MIB).await, Err(Fault::Memory(64 * MIB)));
}

#[tokio::test]
async fn an_instance_without_memory_is_not_created() {
    let memory_total = 64 * MIB;
    let engine = WasmtimeEngine::new(SandboxConfig { memory_total, ..sandbox() }).unwrap();
    let component = load(&engine, "counter").await;
    engine.memory().add(MemoryKind::States, memory_total - 1024);
    let full = Fault::NodeMemoryFull(memory_total);
    // For its description at first, then for the object.
    assert_eq!(component.instantiate().await.map(drop), Err(full.clone()));
    engine.memory().remove(MemoryKind::States, memory_total - 1024);
    drop(component.instantiate().await.unwrap());
    engine.memory().add(MemoryKind::States, memory_total - 1024);
    assert_eq!(component.instantiate().await.map(drop), Err(full));
    assert_eq!(engine.memory_bytes(), 0);
}

#[tokio::test]
async fn an_instance_states_how_far_it_has_grown() {
    let engine = engine();
    let component = load(&engine, "misbehaving").await;
    let mut instance = object(component.as_ref(), "a").await;
    let new = instance.memory();
    assert!(new.bytes > 0 && new.bytes == new.restored_bytes && !new.is_overgrown(), "{new:?}");
    keep(instance.as_mut(), 2 * MIB).await.unwrap();
    let grown = instance.memory();
    assert!(grown.bytes >= new.bytes + 2 * MIB && !grown.is_overgrown(), "{grown:?}");
    keep(instance.as_mut(), 48 * MIB).await.unwrap();
    // Restoring it again does not make it smaller.
    instance.restore(&ObjectId::new("test", "a").unwrap(), None).await.unwrap();
    let large = instance.memory();
    assert_eq!((large.restored_bytes, large.max), (new.restored_bytes, 64 * MIB));
    assert!(large.is_overgrown(), "{large:?}");
}

fn with_child(memory_total: usize, memory_max: u64) -> SandboxConfig {
    let limits = CompileLimits { memory_max, ..CompileLimits::default() };
    let (program, arguments) = ("/nonexistent".into(), Vec::new());
    let compiler = Compiler::Child { program, arguments, limits };
    SandboxConfig { memory_total, compiler, ..sandbox() }
}

#[test]
fn the_compiler_gets_its_limit_and_at_most_a_quarter_of_the_total() {
    for (memory_total, limit, reserved) in [(8192, 1024, 1024), (1024, 1024, 256), (256, 512, 64)] {
        let sandbox = with_child(memory_total * MIB, limit * MIB as u64);
        assert_eq!(sandbox.compiler_bytes(), reserved * MIB, "{memory_total}");
    }
    assert_eq!(sandbox().compiler_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_compilation_waits_for_memory_and_is_refused_in_the_end() {
    let engine = WasmtimeEngine::new(with_child(256 * MIB, 64 * MIB as u64)).unwrap();
    let wasm = guest("counter");
    engine.memory().add(MemoryKind::States, 200 * MIB);
    let refused =
        engine.load(Digest::of(&wasm), wasm.clone(), &LoadPurpose::Activation).await.map(drop);
    assert_eq!(refused, Err(LoadError::NodeMemoryFull(256 * MIB)));
    assert!(engine.memory().needs_eviction(), "idle instances are evicted for it");
    engine.memory().remove(MemoryKind::States, 200 * MIB);
    // Now the child is started, which does not exist.
    let failed = engine.load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await.map(drop);
    assert!(matches!(failed, Err(LoadError::Failed(_))), "{failed:?}");
    assert_eq!(engine.memory().used(), 0, "the reservation ends with the compilation");
}
