//! Routing between several nodes in one process, with scripted faults of peers.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use highlander_core::registry::Registry as _;
use highlander_core::routing::HOPS_MAX;
use highlander_system::clock;
use serde_json::json;

use super::testing::{Cluster, Fault, Place, call, counter, keyed};
use super::*;

/// Returns the result of a call through a node's router: its reply, or the error's code.
async fn ask(place: &Place, id: &ObjectId, call: Call) -> String {
    let answer = place.router.call(id, call, Context::default()).await;
    match answer {
        Ok(done) => String::from_utf8(done.reply.into_json().to_vec()).unwrap(),
        Err(error) => error.code.to_string(),
    }
}

fn add(n: u64) -> Call {
    call("add", &json!(n))
}

fn value() -> Call {
    call("value", &json!(null))
}

fn within(time: Duration, call: Call) -> Call {
    Call { deadline: clock::now() + time, ..call }
}

#[tokio::test]
async fn an_object_started_on_one_node_is_found_and_changed_from_another() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    assert_eq!(ask(&places[1], &id, add(1)).await, "1");
    assert_eq!(ask(&places[0], &id, add(1)).await, "2");
    assert_eq!(ask(&places[2], &id, add(1)).await, "3");
    for place in &places {
        assert_eq!(ask(place, &id, value()).await, "3");
    }
    let active: Vec<_> = places.iter().map(|place| place.node.active_count()).collect();
    assert_eq!(active, [0, 1, 0]);
}

#[tokio::test]
async fn a_call_to_a_cold_object_costs_one_claim_and_one_read_from_any_node() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let claims = || -> u64 { places.iter().map(|p| p.session.claims.load(Ordering::SeqCst)).sum() };
    for (entry, owner) in [(0, "a"), (0, "b"), (1, "a"), (2, "b")] {
        let id = cluster.counter_at(owner, &format!("x{entry}"));
        let before = (claims(), cluster.store.object_get_count());
        assert_eq!(ask(&places[entry], &id, add(1)).await, "1");
        assert_eq!((claims(), cluster.store.object_get_count()), (before.0 + 1, before.1 + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_race_for_an_object_claim_it_once() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    for round in 0..1000 {
        let id = counter(&round.to_string());
        let asking = places.iter().map(|place| {
            let (place, id) = (place.clone(), id.clone());
            tokio::spawn(async move { ask(&place, &id, add(1)).await })
        });
        let mut answers: Vec<_> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
        answers.sort();
        assert_eq!(answers, ["1", "2"], "round {round}");
        let held: usize = places.iter().map(|place| place.session.claim_count()).sum();
        assert_eq!(held, round + 1);
    }
    let activations: u64 = places.iter().map(|p| p.node.metrics().activations.get()).sum();
    assert_eq!((activations, cluster.store.put_count() > 0), (1000, true));
}

#[tokio::test]
async fn a_wrong_memory_is_corrected() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    assert_eq!(ask(&places[0], &id, add(1)).await, "1");
    cluster.nearby.take_calls();
    // The object moves to `c`, and `a` is not notified.
    places[1].node.deactivate(&id).await;
    assert!(places[2].node.call(&id, add(1)).await.is_ok());
    assert_eq!(ask(&places[0], &id, add(1)).await, "3");
    let asked = cluster.nearby.take_calls();
    assert_eq!(asked, [("b".to_owned(), 1), ("c".to_owned(), 2)], "b forwards at once");
    assert_eq!(ask(&places[0], &id, value()).await, "3");
    assert_eq!(cluster.nearby.take_calls(), [("c".to_owned(), 1)], "a has cached the owner");
    let metrics = places[0].node.metrics();
    assert_eq!((metrics.owner_cache_hits.get(), metrics.owner_cache_misses.get()), (2, 1));
}

#[tokio::test]
async fn no_call_runs_in_circles() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    // A session that is not a member holds the claim, and each node has another one cached as the owner.
    let key = Granularity::Object.key_of(&id);
    let elsewhere = cluster.directory.join_at(NodeId::new("d"), "");
    elsewhere.claim(&id).await.unwrap();
    for (n, place) in places.iter().enumerate() {
        place.router.owners.put(key, NodeId::new(["b", "c", "a"][n]));
    }
    let answer = ask(&places[0], &id, within(Duration::from_millis(200), add(1))).await;
    assert!(["not-owner", "deadline-exceeded"].contains(&answer.as_str()), "{answer}");
    let asked = cluster.nearby.take_calls();
    assert!(asked.iter().all(|(_, hops)| *hops <= HOPS_MAX), "{asked:?}");
    assert!(asked.len() < 60, "{asked:?}");
    drop(elsewhere);
    assert_eq!(ask(&places[0], &id, add(1)).await, "1");
}

#[tokio::test]
async fn a_call_with_all_its_hops_is_answered_with_the_owner() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    assert_eq!(ask(&places[1], &id, add(1)).await, "1");
    let context = Context { hops: HOPS_MAX };
    let error = places[2].router.call(&id, add(1), context).await.unwrap_err();
    assert_eq!((error.code, error.owner), (ErrorCode::NotOwner, Some(NodeId::new("b"))));
    assert_eq!(cluster.nearby.take_calls(), []);
}

#[tokio::test]
async fn an_object_of_a_dead_node_answers_elsewhere_once_its_claim_is_free() {
    let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
    let id = cluster.counter_at("b", "x");
    assert_eq!(ask(&places[0], &id, add(1)).await, "1");
    cluster.nearby.kill(&places[1].node);
    let early = ask(&places[0], &id, within(Duration::from_millis(150), add(1))).await;
    // The claim is held: the call is not executed, and the error arrives in time.
    assert!(["not-owner", "deadline-exceeded"].contains(&early.as_str()), "{early}");
    let waiting = async { ask(&places[0], &id, add(1)).await };
    let dying = async {
        // After some more attempts, its session ends.
        while places[0].node.metrics().route_pauses.get() < 12 {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        places[1].session.session.end();
    };
    let (answer, ()) = tokio::join!(waiting, dying);
    assert_eq!(answer, "2");
}

#[tokio::test]
async fn a_call_under_way_to_a_node_that_leaves_is_given_up_and_repeated_if_it_may_be() {
    for (call, expected) in [(keyed("k", add(1)), "2"), (value(), "1"), (add(1), "outcome-unknown")]
    {
        let (cluster, places) = Cluster::with_counters(&["a", "b", "c"]).await;
        let id = cluster.counter_at("b", "x");
        assert_eq!(ask(&places[0], &id, add(1)).await, "1");
        cluster.nearby.take_calls();
        cluster.nearby.script([Fault::Silence]);
        let leaving = async {
            while cluster.nearby.take_calls().is_empty() {
                tokio::task::yield_now().await;
            }
            places[1].session.session.end();
        };
        let (answer, ()) = tokio::join!(ask(&places[0], &id, call), leaving);
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn an_interrupted_update_is_unknown_without_a_key_and_done_once_with_one() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    for fault in [Fault::LostRequest, Fault::LostAnswer] {
        cluster.nearby.script([fault]);
        assert_eq!(ask(&places[0], &id, add(1)).await, "outcome-unknown");
    }
    assert_eq!(ask(&places[0], &id, value()).await, "1", "one of them was executed");
    for (n, fault) in [Fault::LostRequest, Fault::LostAnswer].into_iter().enumerate() {
        cluster.nearby.script([fault]);
        let call = keyed(&n.to_string(), add(10));
        let context = Context::default();
        let done = places[0].router.call(&id, call, context).await.unwrap();
        assert_eq!(done.replayed, fault == Fault::LostAnswer);
    }
    assert_eq!(ask(&places[0], &id, value()).await, "21");
    cluster.nearby.script([Fault::LostRequest, Fault::LostAnswer, Fault::NotSent]);
    assert_eq!(ask(&places[0], &id, value()).await, "21", "a query is repeated");
    let get = call("get", &json!(null));
    cluster.nearby.script([Fault::LostRequest]);
    assert_eq!(ask(&places[0], &id, get).await, r#"{"value":21}"#);
}

#[tokio::test]
async fn what_was_not_sent_is_sent_again() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    assert_eq!(ask(&places[0], &id, add(1)).await, "1");
    cluster.nearby.script([Fault::NotSent, Fault::NotSent]);
    assert_eq!(ask(&places[0], &id, add(1)).await, "2");
}

#[tokio::test]
async fn overload_is_passed_on_at_once() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    assert_eq!(ask(&places[0], &id, add(1)).await, "1");
    let busy = places[1].node.call(&id, call("sleep", &json!(500)));
    let crowd = join_all((0..100).map(|_| ask(&places[0], &id, add(1))));
    cluster.nearby.take_calls();
    let (_, answers) = tokio::join!(busy, crowd);
    let full = answers.iter().filter(|answer| *answer == "mailbox-full").count();
    assert!(full > 0, "{answers:?}");
    assert_eq!(cluster.nearby.take_calls().len(), 100, "each was sent once");
    assert_eq!(places[0].node.metrics().route_pauses.get(), 0);
}

#[tokio::test]
async fn only_so_many_calls_are_under_way_to_a_node() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    let config = Config { calls_per_peer: 2, ..Config::default() };
    let node = Arc::clone(&places[0].node);
    let router = Router::new(node, Arc::new(cluster.nearby.clone()), &config);
    let asking = (0..4).map(|_| {
        let call = within(Duration::from_secs(2), add(1));
        router.call(&id, call, Context::default())
    });
    cluster.nearby.script([Fault::Silence, Fault::Silence]);
    let asking = join_all(asking);
    let answers = tokio::time::timeout(Duration::from_secs(1), asking).await;
    assert!(answers.is_err(), "two calls get no response");
    let full = places[0].node.metrics().forwards.with_label_values(&["no-place"]).get();
    assert_eq!((full, cluster.nearby.take_calls().len()), (2, 2));
}

#[tokio::test]
async fn a_node_that_drains_hands_its_objects_over_and_goes_on_forwarding() {
    let (_cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let ids: Vec<_> = (0..20).map(|n| counter(&n.to_string())).collect();
    for id in &ids {
        assert_eq!(ask(&places[0], id, add(1)).await, "1");
    }
    let drain = places[0].router.drain("b", Context::default());
    let calls = join_all(ids.iter().map(|id| ask(&places[1], id, add(1))));
    let (drained, answers) = tokio::join!(drain, calls);
    assert_eq!(drained, Ok((NodeId::new("b"), 0)));
    assert!(answers.iter().all(|answer| answer == "2"), "{answers:?}");
    for id in &ids {
        assert_eq!(ask(&places[1], id, add(1)).await, "3");
    }
    assert_eq!((places[0].node.active_count(), places[1].node.active_count()), (20, 0));
}

#[tokio::test]
async fn operators_reach_the_node_that_knows() {
    let (cluster, places) = Cluster::with_counters(&["node-a", "node-b"]).await;
    let id = cluster.counter_at("node-b", "x");
    let (here, context) = (&places[0].router, Context::default());
    assert_eq!(here.locate(&id, context).await.unwrap().node, None);
    assert_eq!(ask(&places[0], &id, add(1)).await, "1");
    let found = here.locate(&id, context).await.unwrap();
    assert_eq!(found.node, Some(NodeId::new("node-b")));
    assert_eq!((found.tier, found.version), (crate::wire::objects::Tier::Resident, 1));
    let nodes = here.nodes(context).await;
    let counts: Vec<_> = nodes.iter().map(|n| (n.node.as_str(), n.active_count)).collect();
    assert_eq!(counts, [("node-a", Some(0)), ("node-b", Some(1))]);
    assert_eq!(here.deactivate(&id, context).await, Ok(true));
    assert_eq!(here.deactivate(&id, context).await, Ok(false));
    assert_eq!(ask(&places[0], &id, add(1)).await, "2");
    cluster.nearby.kill(&places[1].node);
    let error = here.locate(&id, context).await.unwrap_err();
    assert_eq!((error.code, error.owner), (ErrorCode::NotOwner, Some(NodeId::new("node-b"))));
    let nodes = here.nodes(context).await;
    assert_eq!(nodes.iter().map(|n| n.active_count).collect::<Vec<_>>(), [Some(0), None]);
    assert_eq!(here.drain("node", context).await.unwrap_err().code, ErrorCode::MalformedRequest);
    assert_eq!(here.drain("other", context).await.unwrap_err().code, ErrorCode::NodeNotFound);
    assert_eq!(here.drain("node-b", context).await.unwrap_err().code, ErrorCode::NotOwner);
}

/// Neither "no object" nor "it was not active".
#[tokio::test]
async fn a_node_that_does_not_know_the_others_says_nothing_about_what_is_active_there() {
    let (cluster, places) = Cluster::with_counters(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    assert_eq!(ask(&places[0], &id, add(1)).await, "1");
    let type_name = highlander_core::id::TypeName::new("counter").unwrap();
    let query = node::list::Query {
        type_name,
        prefix: String::new(),
        after: None,
        limit: 10,
        is_active: true,
    };
    let router = &places[0].router;
    let listed = router.list(&query, Context::default()).await.unwrap();
    assert_eq!(listed.page.keys, [id.key()]);
    places[0].session.session.freeze();
    let listed = router.list(&query, Context::default()).await.unwrap_err();
    assert_eq!(listed.code, ErrorCode::RegistryUnavailable, "its list of members may be outdated");
    places[0].session.session.thaw();
    let outsider = cluster.outsider();
    for asked in [
        outsider.deactivate(&id, Context::default()).await.map(|_| ()),
        outsider.list(&query, Context::default()).await.map(|_| ()),
        outsider.locate(&id, Context::default()).await.map(|_| ()),
    ] {
        assert_eq!(asked.unwrap_err().code, ErrorCode::RegistryUnavailable);
    }
    assert_eq!(router.deactivate(&id, Context::default()).await, Ok(true));
    assert_eq!(router.deactivate(&id, Context::default()).await, Ok(false));
}
