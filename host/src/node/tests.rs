//! A node on the in-memory store, the in-process registry and the scripted engine.

mod memory;
mod sessions;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::poll;
use highlander_core::activation::idempotency::fingerprint;
use highlander_core::activation::{Done, IdempotencyKey, Operation};
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::error::Effect;
use highlander_core::id::TypeName;
use highlander_core::registry;
use highlander_core::rollout::{Milestone, ProgressQuery};
use highlander_system::clock;
use highlander_testing::fake_engine::FakeEngine;
use highlander_testing::memory::{GetFault, Memory, PutFault};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::list::Query;
use super::*;
use crate::activation::testing::call;
use crate::registry::local::{Directory, Session};
use crate::wire::objects::Tier;

struct World {
    store: Arc<Memory>,
    directory: Directory,
}

impl World {
    fn new() -> Self {
        Self { store: Arc::new(Memory::new()), directory: Directory::new() }
    }

    /// Starts a node and returns it in its first session, together with its sessions in order.
    async fn node_with(&self, name: &str, config: &Config) -> (Arc<Node>, Arc<Begun>) {
        self.node_on(Arc::new(FakeEngine::new()), name, config).await
    }

    /// Starts a node on this engine.
    async fn node_on(
        &self,
        engine: Arc<FakeEngine>,
        name: &str,
        config: &Config,
    ) -> (Arc<Node>, Arc<Begun>) {
        let begun = Arc::new(Begun {
            directory: self.directory.clone(),
            name: name.to_owned(),
            sessions: Mutex::default(),
        });
        let ports = Ports {
            sessions: Arc::clone(&begun) as Arc<dyn Sessions>,
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            engine,
        };
        let node = Node::start(ports, config, None);
        node.joined().await;
        (node, begun)
    }

    /// Starts a node on which counters are deployed.
    async fn node(&self, name: &str) -> Arc<Node> {
        let (node, _) = self.node_with(name, &config()).await;
        node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default())
            .await
            .unwrap();
        node
    }
}

/// Sessions that a test can disturb.
#[derive(Debug)]
struct Begun {
    directory: Directory,
    name: String,
    sessions: Mutex<Vec<Arc<Session>>>,
}

impl Begun {
    fn last(&self) -> Arc<Session> {
        Arc::clone(self.sessions.lock().last().unwrap())
    }
}

#[async_trait]
impl Sessions for Begun {
    async fn begin(&self) -> Result<Arc<dyn Registry>, registry::Error> {
        let mut sessions = self.sessions.lock();
        let node = NodeId::new(&format!("{}-{}", self.name, sessions.len() + 1));
        let session = Arc::new(self.directory.join(node));
        sessions.push(Arc::clone(&session));
        Ok(session)
    }
}

fn config() -> Config {
    Config { fault_max: 100, resident_max: 100, activation_rate: Some(10_000), ..Config::default() }
}

fn counter(key: &str) -> ObjectId {
    ObjectId::new("counter", key).unwrap()
}

fn keyed(key: &str, handler: &str, argument: &Value) -> Call {
    let call = call(handler, argument);
    let fingerprint = fingerprint(&call.operation, &call.caller);
    Call { key: Some(IdempotencyKey { key: key.into(), fingerprint }), ..call }
}

async fn ask(node: &Node, key: &str, handler: &str, argument: Value) -> Result<Value, ErrorCode> {
    let answer = node.call(&counter(key), call(handler, &argument)).await;
    answer.map(|done| reply(&done)).map_err(|error| error.code)
}

fn reply(done: &Done) -> Value {
    serde_json::from_slice(&done.reply.to_json()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_updates_get_every_number_once_and_share_commits() {
    let store = Arc::new(Memory::with_latency(Duration::from_millis(2)));
    let world = World { store, directory: Directory::new() };
    let node = world.node("n1").await;
    let puts_before = world.store.put_count();
    let calls = (0..1000).map(|_| {
        let node = Arc::clone(&node);
        tokio::spawn(async move { ask(&node, "hits", "increment", Value::Null).await })
    });
    let mut numbers: Vec<_> =
        join_all(calls).await.into_iter().map(|n| n.unwrap().unwrap().as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=1000).collect::<Vec<_>>());
    assert_eq!(ask(&node, "hits", "value", Value::Null).await, Ok(json!(1000)));
    assert!(world.store.put_count() - puts_before < 1000, "updates share commits");
}

#[tokio::test]
async fn what_was_answered_survives_the_node() {
    let world = World::new();
    let node = world.node("n1").await;
    assert_eq!(ask(&node, "a", "add", json!(5)).await, Ok(json!(5)));
    assert_eq!(node.drain(Duration::from_secs(5)).await, 0);
    assert_eq!(ask(&node, "a", "value", Value::Null).await, Err(ErrorCode::Draining));
    let (next, _) = world.node_with("n2", &config()).await;
    let done = next.call(&counter("a"), call("increment", &Value::Null)).await.unwrap();
    assert_eq!((reply(&done), done.version, done.epoch), (json!(6), 2, 2));
}

#[tokio::test]
async fn only_the_owner_answers() {
    let world = World::new();
    let first = world.node("n1").await;
    let (second, sessions) = world.node_with("n2", &config()).await;
    assert_eq!(ask(&first, "a", "increment", Value::Null).await, Ok(json!(1)));
    assert_eq!(ask(&second, "a", "value", Value::Null).await, Err(ErrorCode::NotOwner));
    assert!(first.deactivate(&counter("a")).await);
    assert_eq!(ask(&second, "a", "increment", Value::Null).await, Ok(json!(2)));
    assert_eq!(ask(&first, "a", "value", Value::Null).await, Err(ErrorCode::NotOwner));
    sessions.last().end();
    assert_eq!(ask(&first, "a", "value", Value::Null).await, Ok(json!(2)));
}

#[tokio::test]
async fn a_failed_call_changes_nothing_and_the_next_one_is_answered() {
    let world = World::new();
    let node = world.node("n1").await;
    ask(&node, "a", "add", json!(3)).await.unwrap();
    for (handler, argument, code) in [
        ("trap_after_change", Value::Null, ErrorCode::ObjectTrapped),
        ("reject_after_change", Value::Null, ErrorCode::ObjectRejected),
        ("no_such_handler", Value::Null, ErrorCode::UnknownHandler),
        ("add", json!("x"), ErrorCode::InvalidArgument),
    ] {
        assert_eq!(ask(&node, "a", handler, argument).await, Err(code), "{handler}");
        assert_eq!(ask(&node, "a", "value", Value::Null).await, Ok(json!(3)), "{handler}");
    }
    let unknown = ObjectId::new("nothing", "a").unwrap();
    let error = node.call(&unknown, call("value", &Value::Null)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownType);
}

#[tokio::test]
async fn a_lost_answer_of_the_store_is_found_out() {
    let world = World::new();
    let node = world.node("n1").await;
    for fault in [PutFault::LostAnswer, PutFault::LostRequest, PutFault::Denied] {
        let before = ask(&node, "a", "value", Value::Null).await.unwrap().as_u64().unwrap();
        let is_denied = matches!(fault, PutFault::Denied);
        world.store.script_puts([fault]);
        let answer = ask(&node, "a", "increment", Value::Null).await;
        if is_denied {
            assert_eq!(answer, Err(ErrorCode::StoreUnavailable));
            assert_eq!(ask(&node, "a", "value", Value::Null).await, Ok(json!(before)));
        } else {
            assert_eq!(answer, Ok(json!(before + 1)));
        }
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_resolved_by_its_idempotency_key() {
    let world = World::new();
    let node = world.node("n1").await;
    world.store.script_puts([PutFault::Held]);
    world.store.script_puts((0..4).map(|_| PutFault::LostRequest));
    let deadline = clock::now() + Duration::from_millis(50);
    let held = Call { deadline, ..keyed("k", "increment", &Value::Null) };
    let error = node.call(&counter("a"), held).await.unwrap_err();
    assert_eq!((error.code, error.effect()), (ErrorCode::OutcomeUnknown, Effect::Unknown));
    world.store.release_held();
    let done = node.call(&counter("a"), keyed("k", "increment", &Value::Null)).await.unwrap();
    assert_eq!((reply(&done), done.version, done.replayed), (json!(1), 1, true));
    let other = node.call(&counter("a"), keyed("k", "add", &json!(5))).await.unwrap_err();
    assert_eq!(other.code, ErrorCode::IdempotencyKeyReused);
    assert_eq!(ask(&node, "a", "value", Value::Null).await, Ok(json!(1)));
}

#[tokio::test]
async fn a_key_is_remembered_by_the_next_owner() {
    let world = World::new();
    let node = world.node("n1").await;
    node.call(&counter("a"), keyed("k", "increment", &Value::Null)).await.unwrap();
    node.drain(Duration::from_secs(5)).await;
    let (next, _) = world.node_with("n2", &config()).await;
    let done = next.call(&counter("a"), keyed("k", "increment", &Value::Null)).await.unwrap();
    assert_eq!((reply(&done), done.replayed), (json!(1), true));
}

#[tokio::test]
async fn a_damaged_record_is_neither_served_nor_overwritten() {
    let world = World::new();
    let node = world.node("n1").await;
    ask(&node, "a", "increment", Value::Null).await.unwrap();
    node.deactivate(&counter("a")).await;
    let name = counter("a").blob_key();
    for fault in [GetFault::FlippedBit(77), GetFault::Truncated(50)] {
        world.store.script_gets([fault]);
        assert_eq!(ask(&node, "a", "increment", Value::Null).await, Err(ErrorCode::RecordDamaged));
    }
    let blob = world.store.peek(&name).unwrap();
    let foreign = ObjectId::new("counter", "b").unwrap().blob_key();
    world.store.plant(&foreign, blob.bytes.clone());
    assert_eq!(ask(&node, "b", "increment", Value::Null).await, Err(ErrorCode::RecordDamaged));
    assert_eq!(world.store.peek(&foreign).map(|found| found.bytes), Some(blob.bytes));
    assert_eq!(ask(&node, "a", "value", Value::Null).await, Ok(json!(1)));
}

#[tokio::test]
async fn idle_objects_are_torn_down_and_come_back() {
    let world = World::new();
    let idle_timeout = Duration::from_millis(50);
    let (node, sessions) = world.node_with("n1", &Config { idle_timeout, ..config() }).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    for n in 0..200 {
        ask(&node, &n.to_string(), "increment", Value::Null).await.unwrap();
    }
    until(|| node.current_session().unwrap().ctx.table.is_empty()).await;
    assert_eq!(sessions.last().claim_count(), 0);
    assert_eq!(node.current_session().unwrap().ctx.metrics.resident_objects.get(), 0);
    assert_eq!(ask(&node, "7", "value", Value::Null).await, Ok(json!(1)));
}

#[tokio::test]
async fn instances_stay_within_their_bound_and_the_least_used_go_first() {
    let world = World::new();
    let (node, _) = world.node_with("n1", &Config { resident_max: 10, ..config() }).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    for n in 0..50 {
        ask(&node, &n.to_string(), "increment", Value::Null).await.unwrap();
    }
    assert_eq!(node.current_session().unwrap().ctx.metrics.resident_objects.get(), 10);
    let tier = async |key| node.locate(&counter(key)).await.unwrap().tier;
    assert_eq!((tier("0").await, tier("49").await), (Tier::Warm, Tier::Resident));
    assert_eq!(ask(&node, "0", "value", Value::Null).await, Ok(json!(1)));
    assert_eq!((tier("0").await, tier("40").await), (Tier::Resident, Tier::Warm));
}

#[tokio::test]
async fn calls_wait_for_a_place_when_every_instance_is_busy() {
    let world = World::new();
    let (node, _) = world.node_with("n1", &Config { resident_max: 2, ..config() }).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    let calls = (0..10).map(|n| {
        let node = Arc::clone(&node);
        tokio::spawn(async move { ask(&node, &n.to_string(), "sleep", json!(10)).await })
    });
    for answer in join_all(calls).await {
        assert!(answer.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_half_state() {
    let world = World::new();
    let node = world.node("n1").await;
    let hurried = async {
        let _ = tokio::time::timeout(
            Duration::from_millis(5),
            node.call(&counter("a"), keyed("k", "sleep", &json!(50))),
        )
        .await;
    };
    hurried.await;
    let done = node.call(&counter("a"), keyed("k", "sleep", &json!(50))).await.unwrap();
    assert!(done.replayed, "the first call completed");
}

#[tokio::test]
async fn objects_are_listed_in_pages() {
    let world = World::new();
    let node = world.node("n1").await;
    for key in ["a1", "a2", "a3", "b1"] {
        ask(&node, key, "increment", Value::Null).await.unwrap();
    }
    node.deactivate(&counter("a3")).await;
    let query = Query {
        type_name: TypeName::new("counter").unwrap(),
        prefix: "a".to_owned(),
        after: None,
        limit: 2,
        is_active: false,
    };
    let first = node.list(&query).await.unwrap();
    assert_eq!((first.keys, first.next.as_deref()), (vec!["a1".into(), "a2".into()], Some("a2")));
    let second = node.list(&Query { after: first.next, ..query.clone() }).await.unwrap();
    assert_eq!((second.keys, second.next), (vec!["a3".into()], None));
    let active = node.list(&Query { is_active: true, limit: 10, ..query.clone() }).await.unwrap();
    assert_eq!(active.keys, ["a1", "a2"]);
    for key in ["a2", "a3"] {
        let delete = Call { operation: Operation::Delete, ..call("", &Value::Null) };
        node.call(&counter(key), delete).await.unwrap();
    }
    node.deactivate(&counter("a3")).await;
    let left = node.list(&Query { limit: 10, ..query }).await.unwrap();
    assert_eq!(left.keys, ["a1"], "deleted objects are left out, active or not");
}

#[tokio::test]
async fn a_deleted_object_begins_again_with_higher_versions() {
    let world = World::new();
    let node = world.node("n1").await;
    let delete = || Call { operation: Operation::Delete, ..call("", &Value::Null) };
    let missing = node.call(&counter("a"), delete()).await.unwrap_err();
    assert_eq!(missing.code, ErrorCode::ObjectNotFound);
    ask(&node, "a", "add", json!(7)).await.unwrap();
    assert_eq!(node.call(&counter("a"), delete()).await.unwrap().version, 2);
    assert!(!node.locate(&counter("a")).await.unwrap().exists);
    assert_eq!(ask(&node, "a", "value", Value::Null).await, Ok(json!(0)));
    let done = node.call(&counter("a"), call("increment", &Value::Null)).await.unwrap();
    assert_eq!((reply(&done), done.version), (json!(1), 3));
}

#[tokio::test]
async fn a_report_waits_for_its_milestone() {
    let node = World::new().node("a").await;
    let name = TypeName::new("counter").unwrap();
    let generation = node.catalog().generation("counter").unwrap();
    // As if the live objects had not been notified of this generation.
    node.catalog().applied(&name, generation.wrapping_sub(1));
    let query = ProgressQuery::until(Milestone::Applied, generation);
    let mut report = pin!(node.progress(&name, query));
    assert!(poll!(report.as_mut()).is_pending());
    node.catalog().applied(&name, generation);
    assert!(report.await.is_applied);
}

#[tokio::test]
async fn a_report_on_a_generation_that_never_comes_is_the_present_one() {
    let node = World::new().node("a").await;
    let name = TypeName::new("counter").unwrap();
    let generation = node.catalog().generation("counter").unwrap();
    let query = ProgressQuery::until(Milestone::Ready, generation.wrapping_add(1));
    assert_eq!(node.progress(&name, query).await.generation, generation);
}
