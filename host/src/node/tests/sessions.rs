//! Sessions that freeze, end, lose claims or are closed, and stores that stop answering. The tests use the
//! in-process registry, which simulates all of these faults.

use highlander_core::registry::members::NodeStatus;
use highlander_system::clock;
use highlander_testing::memory::PutFault;

use super::*;

async fn add(node: &Node, key: &str) -> Result<Value, ErrorCode> {
    ask(node, key, "increment", Value::Null).await
}

fn status_of(world: &World, name: &str) -> Option<NodeStatus> {
    let other = world.directory.join(NodeId::new("onlooker"));
    let members = other.members();
    members.iter().find(|member| member.node.as_str().starts_with(name)).map(|m| m.status)
}

#[tokio::test]
async fn a_frozen_node_answers_nothing_and_goes_on_with_its_claims() {
    let world = World::new();
    let (node, sessions) = world.node_with("a", &config()).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    assert_eq!(add(&node, "a").await, Ok(json!(1)));
    sessions.last().freeze();
    for key in ["a", "b"] {
        assert_eq!(
            ask(&node, key, "value", Value::Null).await,
            Err(ErrorCode::RegistryUnavailable)
        );
    }
    assert_eq!(node.readiness().unwrap_err().code, ErrorCode::RegistryUnavailable);
    assert_eq!(node.active_count(), 1, "the node may still hold the claim");
    let gets = world.store.get_count();
    sessions.last().thaw();
    assert_eq!(add(&node, "a").await, Ok(json!(2)));
    assert_eq!(world.store.get_count(), gets, "nothing was loaded again");
}

#[tokio::test]
async fn a_commit_during_a_freeze_is_answered_after_it() {
    let world = World::new();
    let (node, sessions) = world.node_with("a", &config()).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    add(&node, "a").await.unwrap();
    world.store.script_puts([PutFault::Held]);
    let calling = tokio::spawn({
        let node = Arc::clone(&node);
        async move { add(&node, "a").await }
    });
    until(|| world.store.held_count() == 1).await;
    sessions.last().freeze();
    world.store.release_held();
    until(|| {
        node.current_session()
            .unwrap()
            .slots()
            .iter()
            .all(|slot| slot.status().unwrap().version == 2)
    })
    .await;
    assert!(!calling.is_finished(), "the owner of the object is unknown");
    sessions.last().thaw();
    assert_eq!(calling.await.unwrap(), Ok(json!(2)));
}

#[tokio::test]
async fn a_session_that_is_over_ends_everything_and_another_begins() {
    let world = World::new();
    let (node, sessions) = world.node_with("a", &config()).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    for key in 0..20 {
        add(&node, &key.to_string()).await.unwrap();
    }
    let first = node.current_session().unwrap();
    assert_eq!(node.id().as_str(), "a-1");
    sessions.last().end();
    until(|| first.ctx.table.is_empty()).await;
    until(|| node.current_session().is_some() && node.id().as_str() == "a-2").await;
    assert_eq!(node.active_count(), 0, "the new session has no activations");
    assert_eq!(add(&node, "3").await, Ok(json!(2)));
    assert_eq!(node.locate(&counter("3")).await.unwrap().node, Some(NodeId::new("a-2")));
}

#[tokio::test]
async fn a_new_session_reads_types_anew_before_it_activates_anything() {
    let world = World::new();
    let (node, sessions) = world.node_with("a", &config()).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    add(&node, "a").await.unwrap();
    // Changes of which this node is not notified.
    let elsewhere = Catalog::new(Arc::clone(&world.store) as Arc<_>, Arc::new(FakeEngine::new()));
    let second = Bytes::from_static(b"scripted:counter second");
    let deployed = elsewhere.deploy(second, &DeployOptions::default()).await.unwrap();
    let rolled = elsewhere.update_record(&deployed.type_name, |record| {
        record.roll(0);
        record.close();
        Ok(Some(()))
    });
    assert_eq!(rolled.await, Ok(Some(())));
    sessions.last().end();
    until(|| node.current_session().is_some() && node.id().as_str() == "a-2").await;
    for key in ["a", "b"] {
        let done = node.call(&counter(key), call("increment", &Value::Null)).await.unwrap();
        assert_eq!(done.revision, 2, "{key}");
    }
}

#[tokio::test]
async fn an_object_whose_claim_was_taken_away_ends_and_others_stay() {
    let world = World::new();
    let (node, sessions) = world.node_with("a", &config()).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    add(&node, "a").await.unwrap();
    add(&node, "b").await.unwrap();
    sessions.last().take_away(&counter("a"));
    until(|| !node.is_active(&counter("a"))).await;
    assert!(node.is_active(&counter("b")));
    assert_eq!(add(&node, "a").await, Ok(json!(2)), "the object is claimed again");
}

#[tokio::test]
async fn a_draining_node_hands_over_and_others_take_it_up() {
    let world = World::new();
    let a = world.node("a").await;
    let b = world.node("b").await;
    for key in 0..200 {
        add(&a, &key.to_string()).await.unwrap();
    }
    let refused = b.call(&counter("7"), call("increment", &Value::Null)).await.unwrap_err();
    assert_eq!((refused.code, refused.owner), (ErrorCode::NotOwner, Some(a.id())));
    assert_eq!(a.drain(Duration::from_secs(10)).await, 0);
    assert_eq!(status_of(&world, "a"), Some(NodeStatus::Draining));
    let refused = a.call(&counter("7"), call("increment", &Value::Null)).await.unwrap_err();
    assert_eq!((refused.code, refused.effect()), (ErrorCode::Draining, Effect::None));
    for key in 0..200 {
        assert_eq!(add(&b, &key.to_string()).await, Ok(json!(2)));
    }
    a.leave().await;
    assert_eq!(status_of(&world, "a"), None);
}

#[tokio::test]
async fn a_node_whose_store_does_not_answer_gives_its_objects_up_until_it_does() {
    let world = World::new();
    let hurried = Config { store_unavailable_timeout: Duration::from_millis(100), ..config() };
    let (node, sessions) = world.node_with("a", &hurried).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    add(&node, "a").await.unwrap();
    world.store.set_down(true);
    let short = Call {
        deadline: clock::now() + Duration::from_millis(50),
        ..call("increment", &Value::Null)
    };
    let unsure = node.call(&counter("a"), short).await.unwrap_err();
    assert_eq!(unsure.code, ErrorCode::OutcomeUnknown);
    ask(&node, "b", "value", Value::Null).await.unwrap_err();
    until(|| node.readiness().is_err_and(|error| error.code == ErrorCode::StoreUnavailable)).await;
    until(|| status_of(&world, "a") == Some(NodeStatus::Unhealthy)).await;
    until(|| sessions.last().claim_count() == 0).await;
    world.store.set_down(false);
    until(|| status_of(&world, "a") == Some(NodeStatus::Ready)).await;
    assert_eq!(ask(&node, "b", "value", Value::Null).await, Ok(json!(0)));
    let reached = add(&node, "a").await;
    assert!([Ok(json!(2)), Ok(json!(3))].contains(&reached), "{reached:?}");
}

#[tokio::test]
async fn a_request_that_nobody_answers_counts_from_its_beginning() {
    let world = World::new();
    let hurried = Config { store_unavailable_timeout: Duration::from_millis(100), ..config() };
    let (node, sessions) = world.node_with("a", &hurried).await;
    node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default()).await.unwrap();
    add(&node, "a").await.unwrap();
    world.store.set_silent(true);
    // It waits forever, so that no failure is ever recorded.
    let caller = Arc::clone(&node);
    let unsure = tokio::spawn(async move { add(&caller, "a").await });
    let caller = Arc::clone(&node);
    let unread = tokio::spawn(async move { ask(&caller, "b", "value", Value::Null).await });
    until(|| node.readiness().is_err_and(|error| error.code == ErrorCode::StoreUnavailable)).await;
    until(|| sessions.last().claim_count() == 0).await;
    assert_eq!(unsure.await.unwrap(), Err(ErrorCode::OutcomeUnknown));
    assert_eq!(unread.await.unwrap(), Err(ErrorCode::StoreUnavailable));
    world.store.set_silent(false);
    until(|| status_of(&world, "a") == Some(NodeStatus::Ready)).await;
    assert_eq!(ask(&node, "a", "value", Value::Null).await, Ok(json!(1)));
}

/// A full disk rejects writes definitely; other stores leave the outcome open.
#[tokio::test]
async fn a_node_whose_store_takes_no_writes_refuses_updates_and_answers_queries() {
    for (fault, first) in [
        (PutFault::Unavailable, ErrorCode::StoreUnavailable),
        (PutFault::LostRequest, ErrorCode::OutcomeUnknown),
    ] {
        let world = World::new();
        let hurried = Config { store_unavailable_timeout: Duration::from_millis(100), ..config() };
        let (node, _sessions) = world.node_with("a", &hurried).await;
        node.deploy(Bytes::from_static(b"scripted:counter"), &DeployOptions::default())
            .await
            .unwrap();
        add(&node, "a").await.unwrap();
        world.store.set_every_put(Some(fault.clone()));
        let failed = add(&node, "a").await;
        assert_eq!(failed, Err(first), "{fault:?}");
        until(|| node.readiness().is_err_and(|error| error.code == ErrorCode::StoreUnavailable))
            .await;
        until(|| status_of(&world, "a") == Some(NodeStatus::Unhealthy)).await;
        let refused = node.call(&counter("a"), call("increment", &Value::Null)).await.unwrap_err();
        assert_eq!((refused.code, refused.effect()), (ErrorCode::StoreUnavailable, Effect::None));
        assert!(refused.message.contains("the store accepts no writes: scripted: "), "{refused:?}");
        assert_eq!(ask(&node, "a", "value", Value::Null).await, Ok(json!(1)), "{fault:?}");
        assert_eq!(ask(&node, "b", "value", Value::Null).await, Ok(json!(0)), "{fault:?}");
        world.store.set_every_put(None);
        until(|| status_of(&world, "a") == Some(NodeStatus::Ready)).await;
        assert_eq!(add(&node, "a").await, Ok(json!(2)), "{fault:?}");
    }
}
