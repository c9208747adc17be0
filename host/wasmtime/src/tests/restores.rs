//! A revision that cannot restore some objects: the effect on those objects and on the next one. Each failure mode
//! is the first word of a key of the guest counter-faulty.

use super::*;

/// A state as written by the first revision of the counter.
const OLD_STATE: Snapshot<'static> = Snapshot { bytes: br#"{"value":41}"#, schema_version: 1 };

async fn restored(component: &dyn Component, key: &str) -> Result<Box<dyn Instance>, RestoreError> {
    let mut instance = component.instantiate().await.unwrap();
    let id = ObjectId::new("counter", key).unwrap();
    match instance.restore(&id, Some(OLD_STATE)).await {
        Ok(()) => Ok(instance),
        Err(error) => {
            let used_again = instance.snapshot().await;
            assert!(matches!(used_again, Err(Fault::Contract(_))), "{key}: {used_again:?}");
            Err(error)
        }
    }
}

/// Restores the object with this key, which must fail, and then another one, which must be unaffected.
async fn error_of(key: &str) -> RestoreError {
    let engine = engine();
    let component = load(&engine, "counter-faulty").await;
    let error = restored(component.as_ref(), key).await.unwrap_err();
    assert_eq!((engine.instance_count(), engine.memory_bytes()), (0, 0));
    let mut next = restored(component.as_ref(), "calm").await.unwrap();
    assert_eq!(call(next.as_mut(), "increment", "null").await.unwrap().unwrap(), "42");
    assert_eq!(next.snapshot().await.unwrap(), r#"{"value":42,"changes":1}"#);
    error
}

#[tokio::test]
async fn code_that_traps_while_it_restores_harms_this_object_alone() {
    let error = error_of("trap-1").await;
    assert!(matches!(error, RestoreError::Fault(Fault::Trapped(_))), "{error:?}");
}

#[tokio::test]
async fn code_that_never_ends_restoring_is_stopped() {
    let max = Duration::from_millis(100);
    assert_eq!(error_of("loop-1").await, RestoreError::Fault(Fault::Cpu(max)));
}

#[tokio::test]
async fn code_that_eats_memory_while_it_restores_is_stopped() {
    let limit = 64 * 1024 * 1024;
    assert_eq!(error_of("eat-1").await, RestoreError::Fault(Fault::Memory(limit)));
}

#[tokio::test]
async fn code_may_refuse_a_state() {
    let why = "refuse-1 does not take this state".to_owned();
    assert_eq!(error_of("refuse-1").await, RestoreError::InvalidSnapshot(why));
}

#[tokio::test]
async fn code_that_restores_well_may_fail_at_the_first_call() {
    let engine = engine();
    let component = load(&engine, "counter-faulty").await;
    let mut instance = restored(component.as_ref(), "first-1").await.unwrap();
    assert_eq!(instance.snapshot().await.unwrap(), r#"{"value":41,"changes":0}"#);
    let fault = call(instance.as_mut(), "value", "null").await;
    assert!(matches!(fault, Err(Fault::Trapped(_))), "{fault:?}");
}

/// Migration between schema versions in the SDK, on the real engine.
#[tokio::test]
async fn a_state_of_the_first_version_is_migrated() {
    let component = load(&engine(), "todo-v2").await;
    let id = ObjectId::new("todo", "42").unwrap();
    for (completed, percent) in [("true", "100"), ("false", "0")] {
        let old = format!(r#"{{"title":"buy milk","completed":{completed},"color":"red"}}"#);
        let mut instance = component.instantiate().await.unwrap();
        instance
            .restore(&id, Some(Snapshot { bytes: old.as_bytes(), schema_version: 1 }))
            .await
            .unwrap();
        assert_eq!(call(instance.as_mut(), "progress", "null").await.unwrap().unwrap(), percent);
    }
    let mut instance = component.instantiate().await.unwrap();
    let newer = instance.restore(&id, Some(Snapshot { bytes: b"{}", schema_version: 3 })).await;
    assert_eq!(newer, Err(RestoreError::NewerSchema(2)));
}
