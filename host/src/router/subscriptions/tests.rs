//! Subscriptions in a cluster within one process.

use serde_json::{Value, json};

use super::*;
use crate::router::testing::{Cluster, Place, call, counter};

const LIMIT: Duration = Duration::from_secs(30);

fn asked() -> Call {
    Call { operation: Operation::Watch { publish_state: true }, ..call("", &Value::Null) }
}

async fn watch(place: &Place, id: &ObjectId, after: Option<&str>) -> Listener {
    let after = after.map(|text| text.parse().unwrap());
    place.router.watch(id, asked(), after, Context::default()).await.unwrap()
}

async fn add(place: &Place, id: &ObjectId) {
    let call = call("add", &json!(1));
    place.router.call(id, call, Context::default()).await.unwrap();
}

/// Returns the events up to the end of `version`.
async fn heard(listener: &mut Listener, version: u64) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let next = tokio::time::timeout(LIMIT, listener.next()).await;
        let frame =
            next.unwrap_or_else(|_| panic!("{version} was not reported: {heard:?}")).unwrap();
        let id = frame.id.unwrap();
        heard.push(format!("{id} {}", frame.name));
        if id >= EventId::end_of(version) {
            return heard;
        }
    }
}

#[tokio::test]
async fn who_watches_on_any_node_hears_every_change_in_order() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    add(&places[0], &id).await;
    let mut listeners = Vec::new();
    for place in places.iter().chain(&places) {
        listeners.push(watch(place, &id, None).await);
    }
    for place in &places {
        add(place, &id).await;
    }
    for listener in &mut listeners {
        let expected = ["1 reset", "2 changed", "3 changed", "4 changed"];
        assert_eq!(heard(listener, 4).await, expected);
    }
    let watchers: Vec<_> = places.iter().map(|place| place.node.metrics().watchers.get()).collect();
    assert_eq!(watchers, [2, 4, 2], "two clients each, and one stream for each other node");
}

#[tokio::test]
async fn who_comes_back_to_another_node_resumes_there() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    let mut first = watch(&places[0], &id, None).await;
    add(&places[0], &id).await;
    add(&places[0], &id).await;
    assert_eq!(heard(&mut first, 2).await, ["0 reset", "1 changed", "2 changed"]);
    drop(first);
    let mut second = watch(&places[2], &id, Some("1")).await;
    // The stream from the owner starts at the position of the first client on this node.
    assert_eq!(heard(&mut second, 2).await, ["2 reset"]);
    let mut third = watch(&places[1], &id, Some("1")).await;
    assert_eq!(heard(&mut third, 2).await, ["2 changed"]);
    let mut newest = watch(&places[0], &id, Some("2")).await;
    add(&places[0], &id).await;
    assert_eq!(heard(&mut newest, 3).await, ["3 changed"]);
}

#[tokio::test]
async fn a_version_that_never_was_is_no_reason_to_wait_for_it() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    add(&places[0], &id).await;
    for place in &places {
        let mut listener = watch(place, &id, Some("70.1")).await;
        assert_eq!(heard(&mut listener, 1).await, ["1 reset"]);
    }
}

#[tokio::test]
async fn watchers_stay_when_the_object_is_deactivated_and_moved() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    let mut listeners = Vec::new();
    for place in &places {
        listeners.push(watch(place, &id, None).await);
    }
    add(&places[0], &id).await;
    for listener in &mut listeners {
        assert_eq!(heard(listener, 1).await, ["0 reset", "1 changed"]);
    }
    assert!(places[1].node.deactivate(&id).await);
    add(&places[0], &id).await;
    places[1].node.drain(LIMIT).await;
    add(&places[0], &id).await;
    add(&places[0], &id).await;
    for listener in &mut listeners {
        let heard = heard(listener, 4).await;
        let ids: Vec<EventId> =
            heard.iter().map(|text| text.split(' ').next().unwrap().parse().unwrap()).collect();
        assert!(ids.is_sorted() && ids.first() > Some(&EventId::end_of(1)), "{heard:?}");
    }
    assert!(!places[1].node.is_active(&id));
}

#[tokio::test]
async fn watchers_stay_when_the_owner_dies() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    let mut listener = watch(&places[0], &id, None).await;
    add(&places[0], &id).await;
    assert_eq!(heard(&mut listener, 1).await, ["0 reset", "1 changed"]);
    cluster.nearby.kill(&places[1].node);
    places[1].session.session.end();
    add(&places[0], &id).await;
    let last = heard(&mut listener, 2).await.pop();
    assert!(matches!(last.as_deref(), Some("2 changed" | "2 reset")), "{last:?}");
}

#[tokio::test]
async fn only_the_owner_is_listened_to_by_another_node() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    add(&places[0], &id).await;
    let context = Context { hops: 1 };
    let refused = places[0].router.watch(&id, asked(), None, context).await.unwrap_err();
    assert_eq!((refused.code, refused.owner), (ErrorCode::NotOwner, Some(NodeId::new("b"))));
    assert!(places[1].router.watch(&id, asked(), None, context).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_called_cannot_be_watched() {
    let (_cluster, places) = Cluster::with_counters(&["a"]).await;
    let id = ObjectId::new("nothing", "x").unwrap();
    let refused = places[0].router.watch(&id, asked(), None, Context::default()).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::UnknownType);
    assert!(!places[0].node.hub().is_followed(&id));
}

#[tokio::test(start_paused = true)]
async fn an_object_is_in_use_while_somebody_watches_and_forgotten_a_while_after() {
    let (_cluster, places) = Cluster::with_counters(&["a"]).await;
    let (hub, id) = (places[0].node.hub(), counter("x"));
    let listener = watch(&places[0], &id, None).await;
    tokio::time::sleep(LINGER * 10).await;
    assert!(hub.is_watched(&id) && places[0].node.is_active(&id));
    drop(listener);
    tokio::time::sleep(LINGER).await;
    assert!(!hub.is_watched(&id) && hub.is_followed(&id), "a client that returns can resume");
    tokio::time::sleep(LINGER * 2).await;
    assert!(!hub.is_followed(&id));
}
