//! Each limit of the sandbox, and the state of the object after a guest exceeded it. Each guest is written to break
//! one limit.

use super::*;

/// Calls a handler of a fresh misbehaving object. The instance must be unusable after a fault.
async fn fault_of(engine: &WasmtimeEngine, handler: &str, argument: &str) -> Fault {
    let component = load(engine, "misbehaving").await;
    let mut instance = object(component.as_ref(), "k").await;
    let fault = call(instance.as_mut(), handler, argument).await.unwrap_err();
    let used_again = call(instance.as_mut(), "value", "null").await;
    assert_eq!(used_again, Err(Fault::Contract("used after a fault".to_owned())));
    drop(instance);
    let mut fresh = object(component.as_ref(), "k").await;
    assert_eq!(call(fresh.as_mut(), "increment", "null").await.unwrap().unwrap(), "1");
    fault
}

#[tokio::test]
async fn a_trap_is_reported_with_the_guests_last_words() {
    let fault = fault_of(&engine(), "trap", "null").await;
    let Fault::Trapped(text) = fault else { panic!("{fault:?}") };
    assert!(text.starts_with("wasm `unreachable` instruction executed: "), "{text}");
    assert!(text.contains("told to trap"), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

#[tokio::test]
async fn a_guest_that_never_ends_is_stopped() {
    let engine = engine();
    let max = Duration::from_millis(100);
    assert_eq!(fault_of(&engine, "spin", "null").await, Fault::Cpu(max));
    assert_eq!(fault_of(&engine, "copy_in_a_loop", "null").await, Fault::Cpu(max));
}

#[tokio::test]
async fn a_guest_cannot_spin_outside_of_handlers_either() {
    let component = load(&engine(), "malformed-replies").await;
    let mut instance = component.instantiate().await.unwrap();
    let id = ObjectId::new("malformed-replies", "spin-in-restore").unwrap();
    let fault = instance.restore(&id, None).await;
    assert!(matches!(fault, Err(RestoreError::Fault(Fault::Cpu(_)))), "{fault:?}");
    let mut instance = object(component.as_ref(), "spin-in-snapshot").await;
    assert!(matches!(instance.snapshot().await, Err(Fault::Cpu(_))));
}

/// On a single-threaded runtime, nothing else would run if guests did not pause.
#[tokio::test]
async fn a_guest_that_loops_lets_others_run() {
    let sandbox = SandboxConfig { cpu_max: Duration::from_secs(2), ..sandbox() };
    let engine = WasmtimeEngine::new(sandbox).unwrap();
    let component = load(&engine, "misbehaving").await;
    let mut looping = Vec::new();
    for key in ["a", "b", "c"] {
        let mut instance = object(component.as_ref(), key).await;
        looping.push(tokio::spawn(async move {
            call(instance.as_mut(), "spin", "null").await.unwrap_err()
        }));
    }
    tokio::task::yield_now().await;
    let mut neighbour = object(component.as_ref(), "d").await;
    for expected in 1..=100_u32 {
        let reply = call(neighbour.as_mut(), "increment", "null").await.unwrap().unwrap();
        assert_eq!(reply, expected.to_string());
        tokio::task::yield_now().await;
    }
    assert!(
        looping.iter().all(|task| !task.is_finished()),
        "an infinite loop delayed another object"
    );
    for task in looping {
        task.abort();
    }
}

#[tokio::test]
async fn a_dropped_call_makes_its_instance_unusable() {
    let sandbox = SandboxConfig { cpu_max: Duration::from_secs(60), ..sandbox() };
    let engine = WasmtimeEngine::new(sandbox).unwrap();
    let component = load(&engine, "misbehaving").await;
    let mut instance = object(component.as_ref(), "k").await;
    let limit = Duration::from_millis(50);
    let dropped = tokio::time::timeout(limit, call(instance.as_mut(), "spin", "null")).await;
    assert!(dropped.is_err(), "it must not end on its own: {dropped:?}");
    let refused = instance.snapshot().await;
    assert_eq!(refused, Err(Fault::Contract("used after a fault".to_owned())));
}

#[tokio::test]
async fn a_guest_that_eats_memory_is_stopped_and_the_memory_comes_back() {
    let engine = engine();
    let limit = 64 * 1024 * 1024;
    assert_eq!(fault_of(&engine, "eat_memory", "null").await, Fault::Memory(limit));
    assert_eq!(engine.memory_bytes(), 0);
}

#[tokio::test]
async fn the_memory_of_all_instances_is_summed() {
    let engine = engine();
    let component = load(&engine, "misbehaving").await;
    let mut one = object(component.as_ref(), "a").await;
    let before = engine.memory_bytes();
    assert!(before > 0);
    call(one.as_mut(), "keep_memory", "8388608").await.unwrap().unwrap();
    let _other = object(component.as_ref(), "b").await;
    assert!(engine.memory_bytes() > 2 * before + 8 * 1024 * 1024 - 64 * 1024);
    assert_eq!(engine.instance_count(), 2);
}

#[tokio::test]
async fn a_guest_that_recurses_without_end_is_stopped() {
    assert_eq!(fault_of(&engine(), "eat_stack", "null").await, Fault::Stack);
}

#[tokio::test]
async fn a_state_that_is_too_large_is_refused() {
    let component = load(&engine(), "misbehaving").await;
    let mut instance = object(component.as_ref(), "k").await;
    call(instance.as_mut(), "grow_state", "1048576").await.unwrap().unwrap();
    let fault = instance.snapshot().await.unwrap_err();
    let Fault::StateTooLarge { bytes, limit } = fault else { panic!("{fault:?}") };
    assert_eq!(limit, 1024 * 1024);
    assert!(bytes > limit && bytes < limit + 100, "{bytes}");
}

#[tokio::test]
async fn too_much_data_for_the_host_is_refused() {
    let engine = engine();
    assert!(matches!(fault_of(&engine, "big_reply", "1500000").await, Fault::Contract(_)));
    assert_eq!(fault_of(&engine, "big_reply", "4000000").await, Fault::HostCalls);
}

#[tokio::test]
async fn a_log_that_overflows_is_no_fault() {
    let component = load(&engine(), "misbehaving").await;
    let mut instance = object(component.as_ref(), "k").await;
    call(instance.as_mut(), "spam_log", "null").await.unwrap().unwrap();
    call(instance.as_mut(), "log_long_line", "1000000").await.unwrap().unwrap();
    assert_eq!(call(instance.as_mut(), "increment", "null").await.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn what_is_not_json_breaks_the_contract() {
    let component = load(&engine(), "malformed-replies").await;
    let mut instance = object(component.as_ref(), "garbage-reply").await;
    let fault = call(instance.as_mut(), "count", "null").await;
    assert_eq!(fault, Err(Fault::Contract("its reply is not JSON".to_owned())));
    let mut instance = object(component.as_ref(), "garbage-snapshot").await;
    assert!(matches!(instance.snapshot().await, Err(Fault::Contract(_))));
}

#[tokio::test]
async fn a_guest_may_fail_to_restore_in_each_way() {
    let component = load(&engine(), "malformed-replies").await;
    for (key, expected) in [
        ("refuse-restore", RestoreError::InvalidSnapshot("it does not like it".to_owned())),
        ("newer-schema", RestoreError::NewerSchema(1)),
    ] {
        let mut instance = component.instantiate().await.unwrap();
        let id = ObjectId::new("malformed-replies", key).unwrap();
        assert_eq!(instance.restore(&id, None).await, Err(expected));
        assert!(matches!(instance.snapshot().await, Err(Fault::Contract(_))));
    }
    let mut instance = component.instantiate().await.unwrap();
    let id = ObjectId::new("malformed-replies", "trap-in-restore").unwrap();
    let fault = instance.restore(&id, None).await;
    assert!(matches!(fault, Err(RestoreError::Fault(Fault::Trapped(_)))), "{fault:?}");
}
