//! A node whose memory is in use: who is refused, who waits, and who goes on.

use highlander_core::call_context::Origin;
use highlander_core::call_context::chain::{Chain, ChainAge};
use highlander_core::memory::MemoryKind;

use super::*;

/// Returns a node with counters whose instances and states may have so many bytes together. An instance has as many
/// as its handler `hold` is called with.
async fn node_with_memory(max: usize) -> Arc<Node> {
    let config = Config { fault_max: 2, ..config() };
    let engine = Arc::new(FakeEngine::new().with_memory_total(max));
    let (node, _) = World::new().node_on(engine, "n1", &config).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    node
}

fn is_resident(node: &Node, key: &str) -> bool {
    node.current_session().unwrap().ctx.instances.contains(&counter(key))
}

#[tokio::test]
async fn growth_past_the_total_fails_its_call_alone() {
    let node = node_with_memory(1000).await;
    assert_eq!(ask(&node, "b", "increment", Value::Null).await, Ok(json!(1)));
    assert_eq!(ask(&node, "a", "hold", json!(700)).await, Ok(Value::Null));
    // More often than an object may fail: the object is not to blame.
    for _ in 0..5 {
        let error = node.call(&counter("b"), call("hold", &json!(2000))).await.unwrap_err();
        assert_eq!((error.code, error.effect()), (ErrorCode::NodeMemoryFull, Effect::None));
        assert!(error.retry_after.is_some());
    }
    assert_eq!(ask(&node, "b", "increment", Value::Null).await, Ok(json!(2)));
    assert_eq!(ask(&node, "c", "increment", Value::Null).await, Ok(json!(1)));
}

#[tokio::test]
async fn what_was_denied_fits_after_idle_instances_are_evicted() {
    let node = node_with_memory(1000).await;
    assert_eq!(ask(&node, "idle", "hold", json!(700)).await, Ok(Value::Null));
    assert!(is_resident(&node, "idle"));
    // Memory is not scarce, but there is too little for this call.
    assert_eq!(ask(&node, "b", "hold", json!(500)).await, Err(ErrorCode::NodeMemoryFull));
    until(|| !is_resident(&node, "idle")).await;
    assert_eq!(ask(&node, "b", "hold", json!(500)).await, Ok(Value::Null));
    assert_eq!(node.metrics().evicted_for_memory.get(), 1);
}

#[tokio::test]
async fn idle_instances_are_evicted_down_to_the_low_watermark() {
    let node = node_with_memory(1000).await;
    for key in 0..8 {
        assert_eq!(ask(&node, &key.to_string(), "hold", json!(100)).await, Ok(Value::Null));
    }
    assert_eq!((node.memory().used(), node.metrics().evicted_for_memory.get()), (800, 0));
    assert_eq!(ask(&node, "last", "hold", json!(100)).await, Ok(Value::Null));
    until(|| node.memory().used() <= 800).await;
    assert_eq!(node.metrics().evicted_for_memory.get(), 1);
    assert_eq!(ask(&node, "next", "increment", Value::Null).await, Ok(json!(1)));
}

#[tokio::test]
async fn a_nested_call_finds_room() {
    let node = node_with_memory(1000).await;
    // In use, and by no instance that could be evicted.
    node.memory().add(MemoryKind::Buffers, 900);
    let waiting = counter("waiting");
    let mut waiting = pin!(node.call(&waiting, call("increment", &Value::Null)));
    assert!(poll!(&mut waiting).is_pending());
    let age = ChainAge { began_ms: 0, nonce: 0 };
    let chain = Some(Arc::new(Chain::begin(counter("caller"), age)));
    let nested =
        Call { origin: Origin { chain, ..Origin::default() }, ..call("increment", &Value::Null) };
    let done = node.call(&counter("nested"), nested).await.unwrap();
    assert_eq!(reply(&done), json!(1));
    for _ in 0..10 {
        tokio::task::yield_now().await;
        assert!(poll!(&mut waiting).is_pending(), "the call of a client waits");
    }
    node.memory().remove(MemoryKind::Buffers, 900);
    assert_eq!(reply(&waiting.await.unwrap()), json!(1));
}

#[tokio::test]
async fn a_call_that_waits_for_memory_until_its_deadline_is_told_why() {
    let node = node_with_memory(1000).await;
    node.memory().add(MemoryKind::Buffers, 900);
    let deadline = clock::now() + Duration::from_millis(100);
    let call = Call { deadline, ..call("increment", &Value::Null) };
    let error = node.call(&counter("a"), call).await.unwrap_err();
    assert_eq!((error.code, error.effect()), (ErrorCode::NodeMemoryFull, Effect::None));
}

#[tokio::test]
async fn states_are_counted_while_their_objects_are_active() {
    let node = node_with_memory(1000).await;
    let states = || node.memory().used_by(MemoryKind::States);
    assert_eq!(ask(&node, "a", "increment", Value::Null).await, Ok(json!(1)));
    assert_eq!(ask(&node, "b", "value", Value::Null).await, Ok(json!(0)));
    until(|| states() == r#"{"value":1}"#.len()).await;
    assert_eq!(ask(&node, "a", "grow", json!(100)).await, Ok(Value::Null));
    until(|| states() > 100).await;
    assert!(node.deactivate(&counter("a")).await);
    until(|| states() == 0).await;
    assert_eq!(ask(&node, "a", "increment", Value::Null).await, Ok(json!(2)));
    assert!(node.render_metrics().contains("highlander_memory_total_bytes 1000"));
    drop(node);
}
