//! Removal of types on a cluster of nodes in one process.

use bytes::Bytes;
use highlander_core::activation::Operation;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::catalog::record::{TypeRecord, type_blob};
use highlander_core::catalog::rollout::RolloutScope;
use highlander_core::store::Store as _;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;
use crate::rollout;
use crate::router::testing::{Cluster, Place, call, counter};

fn counters() -> TypeName {
    TypeName::new("counter").unwrap()
}

/// Returns two nodes of one cluster, with the type `counter` deployed.
async fn cluster() -> (Cluster, [Place; 2]) {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    for place in &places {
        tokio::spawn(rollout::run(std::sync::Arc::downgrade(&place.router)));
    }
    (cluster, places.try_into().unwrap())
}

async fn deploy(place: &Place, text: &'static str, options: &DeployOptions) -> Result<u32, Error> {
    let wasm = Bytes::from_static(text.as_bytes());
    rollout::deploy(&place.router, wasm, options, rollout::Wait::AllNodes)
        .await
        .map(|deployed| deployed.revision)
}

fn forced() -> DeployOptions {
    DeployOptions { force: true, ..DeployOptions::default() }
}

/// Calls a handler and returns the reply and the revision that ran.
async fn asked(place: &Place, key: &str, handler: &str) -> Result<(Value, u32), ErrorCode> {
    let asking = call(handler, &Value::Null);
    let answer = place.router.call(&counter(key), asking, Context::default()).await;
    let done = answer.map_err(|error| error.code)?;
    Ok((serde_json::from_slice(&done.reply.to_json()).unwrap(), done.revision))
}

async fn add(place: &Place, key: &str) -> Result<(Value, u32), ErrorCode> {
    asked(place, key, "increment").await
}

async fn removed(place: &Place, force: bool) -> Result<usize, Error> {
    let mode = if force { RemovalMode::Forced } else { RemovalMode::Checked };
    remove(&place.router, &counters(), mode, &Caller::Anonymous).await
}

#[tokio::test]
async fn a_type_without_objects_is_removed_everywhere_and_its_name_is_free() {
    let (_cluster, [a, b]) = cluster().await;
    // These objects are live on both nodes and were never changed, so they have no records.
    for key in ["one", "two", "three", "four", "five", "six"] {
        assert_eq!(asked(&a, key, "value").await, Ok((json!(0), 1)));
    }
    // This object had a record, which is deleted.
    add(&a, "gone").await.unwrap();
    let deleting = highlander_core::activation::Call {
        operation: Operation::Delete,
        ..call("", &json!(null))
    };
    a.router.call(&counter("gone"), deleting, Context::default()).await.unwrap();
    assert_eq!(removed(&b, false).await, Ok(0));
    assert_eq!((a.node.active_count(), b.node.active_count()), (0, 0));
    for place in [&a, &b] {
        assert_eq!(add(place, "one").await, Err(ErrorCode::UnknownType));
        let again = removed(place, true).await.unwrap_err();
        assert_eq!(again.code, ErrorCode::UnknownType);
        assert!(again.message.contains("was removed by anonymous"), "{again}");
    }
    let listed = a.node.catalog().listed(|_| true).await.unwrap();
    assert!(listed.iter().all(|one| one.record.as_ref().unwrap().0.removed.is_some()));
    assert_eq!(deploy(&a, "scripted:counter another", &DeployOptions::default()).await, Ok(2));
    for place in [&a, &b] {
        assert_eq!(asked(place, "gone", "value").await, Ok((json!(0), 2)));
    }
    assert_eq!(add(&b, "gone").await, Ok((json!(1), 2)));
}

/// The key belongs to a revision of the removed type.
#[tokio::test]
async fn a_deployment_that_is_repeated_after_the_removal_is_made_anew() {
    let (_cluster, [a, b]) = cluster().await;
    let keyed = DeployOptions { key: Some("k".to_owned()), ..DeployOptions::default() };
    let second = "scripted:counter second";
    assert_eq!(deploy(&a, second, &keyed).await, Ok(2));
    assert_eq!(removed(&b, false).await, Ok(0));
    assert_eq!(deploy(&b, second, &keyed).await, Ok(2));
    assert_eq!(asked(&a, "x", "value").await, Ok((json!(0), 2)), "the type exists again");
    assert_eq!(removed(&a, false).await, Ok(0));
    assert_eq!(deploy(&b, "scripted:counter third", &DeployOptions::default()).await, Ok(3));
    assert_eq!(deploy(&a, second, &keyed).await, Ok(4));
    assert_eq!(deploy(&b, second, &keyed).await, Ok(4), "it is a repetition now");
    assert_eq!(asked(&b, "x", "value").await, Ok((json!(0), 4)));
}

#[tokio::test]
async fn a_type_with_objects_is_removed_only_where_that_is_meant() {
    let (cluster, [a, b]) = cluster().await;
    for key in ["one", "two", "three"] {
        add(&a, key).await.unwrap();
    }
    let refused = removed(&b, false).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::TypeInUse);
    assert!(refused.message.contains("counter has 3 objects"), "{refused}");
    assert!(refused.hint.unwrap().contains("highlander types remove counter --force"));
    assert_eq!(add(&b, "one").await, Ok((json!(2), 1)), "a rejected removal has no effect");

    assert_eq!(removed(&b, true).await, Ok(3));
    assert_eq!((a.node.active_count(), b.node.active_count()), (0, 0));
    for place in [&a, &b] {
        assert_eq!(add(place, "one").await, Err(ErrorCode::UnknownType));
    }
    assert!(
        cluster.store.peek(&counter("one").blob_key()).is_some(),
        "its record stays in the store"
    );
    // Other code reads the remaining records only on request.
    let other =
        deploy(&a, "scripted:counter another", &DeployOptions::default()).await.unwrap_err();
    assert_eq!(other.code, ErrorCode::ComponentRefused);
    assert!(other.message.contains("3 objects"), "{other}");
    assert_eq!(add(&a, "one").await, Err(ErrorCode::UnknownType));
    // The component that last ran them can be deployed.
    assert_eq!(deploy(&b, "scripted:counter", &DeployOptions::default()).await, Ok(1));
    assert_eq!(add(&a, "one").await, Ok((json!(3), 1)));
    assert_eq!(removed(&a, true).await, Ok(3));
    assert_eq!(deploy(&b, "scripted:counter another", &forced()).await, Ok(2));
    assert_eq!(add(&a, "one").await, Ok((json!(4), 2)));
}

#[tokio::test]
async fn alarms_of_objects_that_are_left_are_not_lost() {
    let (cluster, [a, b]) = cluster().await;
    let setting = call("set_alarm", &json!(3_600_000));
    a.router.call(&counter("one"), setting, Context::default()).await.unwrap();
    let entries = async || cluster.store.list("wake/", None, 10).await.unwrap().names;
    let before = entries().await;
    assert_eq!(before.len(), 1);
    assert_eq!(removed(&b, true).await, Ok(1));
    assert_eq!(entries().await, before);
    deploy(&b, "scripted:counter", &DeployOptions::default()).await.unwrap();
    assert_eq!(asked(&a, "one", "value").await, Ok((json!(0), 1)));
    assert_eq!(entries().await, before);
}

#[tokio::test]
async fn a_record_that_comes_back_from_before_a_removal_is_not_opened() {
    let (cluster, [a, b]) = cluster().await;
    add(&a, "late").await.unwrap();
    a.node.deactivate(&counter("late")).await;
    b.node.deactivate(&counter("late")).await;
    let name = counter("late").blob_key();
    let record = cluster.store.peek(&name).unwrap().bytes;
    cluster.store.delete(&name).await.unwrap();
    assert_eq!(removed(&a, false).await, Ok(0));
    deploy(&a, "scripted:counter another", &DeployOptions::default()).await.unwrap();
    cluster.store.plant(&name, record);
    assert_eq!(add(&b, "late").await, Err(ErrorCode::StateUnreadable));
    assert_eq!(add(&b, "other").await, Ok((json!(1), 2)));
}

#[tokio::test]
async fn a_type_whose_roll_out_is_under_way_is_not_removed() {
    let (_cluster, [a, b]) = cluster().await;
    let options = DeployOptions { scope: RolloutScope::Percent(50), ..DeployOptions::default() };
    deploy(&a, "scripted:counter another", &options).await.unwrap();
    for force in [false, true] {
        assert_eq!(removed(&b, force).await.unwrap_err().code, ErrorCode::DeploymentConflict);
    }
    assert_eq!(asked(&a, "one", "value").await.map(|(value, _)| value), Ok(json!(0)));
}

#[tokio::test]
async fn a_call_that_is_under_way_ends_before_the_type_is_removed() {
    let (cluster, [a, b]) = cluster().await;
    let router = std::sync::Arc::clone(&a.router);
    let sleeping = tokio::spawn(async move {
        router.call(&counter("one"), call("sleep", &json!(200)), Context::default()).await
    });
    while a.node.active_count() + b.node.active_count() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let left = removed(&b, true).await.unwrap();
    assert!(sleeping.await.unwrap().is_ok(), "a call that was started completes");
    let has_record = cluster.store.peek(&counter("one").blob_key()).is_some();
    assert_eq!(left, usize::from(has_record), "the record that it left is counted");
}

#[tokio::test]
async fn a_damaged_type_is_given_up_only_where_that_is_meant() {
    let (cluster, [a, b]) = cluster().await;
    add(&a, "one").await.unwrap();
    cluster.store.plant(&type_blob("counter"), "{\"format\":2,".into());
    let refused = removed(&b, false).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RecordDamaged);
    assert!(refused.hint.unwrap().contains("highlander types remove counter --force"));
    assert_eq!(removed(&b, true).await, Ok(1));
    assert_eq!((a.node.active_count(), b.node.active_count()), (0, 0));
    let aside = cluster.store.list("damaged/", None, 10).await.unwrap().names;
    assert_eq!(aside.len(), 1);
    assert_eq!(cluster.store.peek(&aside[0]).unwrap().bytes, "{\"format\":2,");
    assert_eq!(add(&a, "one").await, Err(ErrorCode::UnknownType));
    let refused = deploy(&a, "scripted:counter", &DeployOptions::default()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::ComponentRefused, "their previous code is unknown");
    deploy(&a, "scripted:counter", &forced()).await.unwrap();
    assert_eq!(add(&b, "one").await, Ok((json!(2), 1)));
}

#[tokio::test]
async fn a_record_of_a_newer_host_is_not_given_up() {
    let (cluster, [a, _b]) = cluster().await;
    let newer = Bytes::from_static(b"{\"format\":99,\"name\":\"counter\"}");
    cluster.store.plant(&type_blob("counter"), newer.clone());
    let refused = removed(&a, true).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RecordDamaged);
    assert!(refused.message.contains("newer version"), "{refused}");
    assert_eq!(cluster.store.peek(&type_blob("counter")).unwrap().bytes, newer);
    // A record that has changed concurrently is not given up either.
    let record = TypeRecord::new(counters());
    cluster.store.plant(&type_blob("counter"), record.encode());
    let removal = Removal { at_ms: 1, by: String::new(), objects: 0 };
    let refused = a.node.catalog().give_up(&counters(), removal).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::DeploymentConflict);
}
