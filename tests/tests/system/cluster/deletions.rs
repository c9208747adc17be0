//! Objects that are deleted and created again, on any node and under faults (guarantees S3, S7, D3).

use std::sync::Arc;

use futures_util::future::join_all;
use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::client::Request;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::cluster::shared::Shared;
use highlander_tests::iterations::iterations;
use highlander_tests::reply::Reply;
use highlander_tests::wait;
use reqwest::Method;
use serde_json::{Value, json};

static SHARED: Shared = Shared::new();

fn options() -> ClusterOptions {
    ClusterOptions::new()
        .guests(&["counter", "misbehaving"])
        .with("store.request_timeout", "30s")
        .with("sandbox.cpu_max", "5s")
}

async fn cluster() -> Arc<Cluster> {
    SHARED.get(options).await
}

fn delete(cluster: &Cluster, node: usize, object: &str) -> Request {
    cluster.client(node).object(Method::DELETE, object)
}

fn put(cluster: &Cluster, node: usize, object: &str, value: u64) -> Request {
    cluster.client(node).object(Method::PUT, object).json(json!({ "value": value }))
}

/// Returns the stored record's version and epoch, and whether it is a tombstone.
async fn record(cluster: &Cluster, object: &str) -> (u64, u64, bool) {
    let bytes = cluster.record(object).await.expect("there is a record");
    let record: Value = serde_json::from_slice(&bytes).unwrap();
    let number = |name: &str| record[name].as_u64().expect("a number");
    (number("version"), number("epoch"), record["state"].is_null())
}

#[tokio::test]
async fn a_delete_holds_its_condition_through_any_node() {
    let cluster = cluster().await;
    let object = "counter/condition";
    for node in 0..3 {
        let other = (node + 1) % 3;
        let version = put(&cluster, node, object, 7).send().await.done().version();
        for wrong in [version - 1, version + 1] {
            let wrong = delete(&cluster, other, object).header("if-match", &format!("\"{wrong}\""));
            wrong.send().await.problem("version-mismatch");
        }
        assert_eq!(cluster.client(node).value(object).await, 7);
        let right = delete(&cluster, other, object).header("if-match", &format!("\"{version}\""));
        assert_eq!(right.send().await.done().version(), version + 1);
        assert!(record(&cluster, object).await.2, "the record is a tombstone");
        delete(&cluster, node, object).send().await.problem("object-not-found");
        let state = cluster.client(other).state(object).await;
        assert_eq!((state.json(), state.version()), (json!({ "value": 0 }), version + 1));
    }
    delete(&cluster, 0, "counter/never").send().await.problem("object-not-found");
    assert_eq!(cluster.record("counter/never").await, None);
}

#[tokio::test]
async fn what_is_deleted_can_be_made_anew_once() {
    let cluster = cluster().await;
    let object = "counter/anew";
    let make = |node: usize, value| put(&cluster, node, object, value).header("if-none-match", "*");
    assert_eq!(make(0, 1).send().await.done().version(), 1);
    for round in 0..3 {
        let version = 2 * round + 1;
        for node in 0..3 {
            make(node, 2).send().await.problem("version-mismatch");
        }
        let deleted = delete(&cluster, round as usize, object).send().await.done();
        assert_eq!(deleted.version(), version + 1);
        if round == 1 {
            cluster.client(0).deactivate(object).await;
        }
        let clients = (0..9).map(|n| make(n % 3, n as u64).send());
        let replies = join_all(clients).await;
        let made: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
        assert_eq!(made.len(), 1, "{replies:?}");
        assert_eq!(made[0].version(), version + 2, "the version continues");
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            reply.problem("version-mismatch");
        }
    }
}

#[tokio::test]
async fn a_repeated_delete_gets_its_first_answer() {
    let cluster = cluster().await;
    let object = "counter/repeated";
    assert_eq!(cluster.client(0).increment(object).await, 1);
    let first = delete(&cluster, 1, object).key("k").send().await.done();
    assert_eq!((first.version(), first.is_replayed()), (2, false));
    assert_eq!(cluster.client(0).increment(object).await, 1);
    for node in 0..3 {
        let repeat = delete(&cluster, node, object).key("k").send().await.done();
        assert_eq!((repeat.content(), repeat.is_replayed()), (first.content(), true));
        cluster.client(node).deactivate(object).await;
    }
    assert_eq!(cluster.client(2).value(object).await, 1, "a repeated delete has no effect");
}

/// Waits until this many calls are queued for an object.
async fn wait_for_waiting(cluster: &Cluster, object: &str, count: u64) {
    let path = format!("/v1/objects/{object}/owner");
    wait::until(&format!("{count} calls wait"), async || {
        cluster.client(0).get(&path).send().await.done().json()["mailbox_len"] == count
    })
    .await;
}

#[tokio::test]
async fn calls_that_wait_behind_a_delete_begin_with_the_defaults() {
    let cluster = cluster().await;
    let object = "misbehaving/behind";
    let client = cluster.client(0);
    assert_eq!(client.increment(object).await, 1);
    let patient = |request: Request| request.header("highlander-timeout", "1m").send();
    let increments =
        |count: usize| join_all((0..count).map(|_| patient(client.call(object, "increment"))));
    let busy = cluster.client(1).keep_busy(object).await;
    wait_for_waiting(&cluster, object, 0).await;
    let behind = async {
        wait_for_waiting(&cluster, object, 5).await;
        let after = async {
            wait_for_waiting(&cluster, object, 6).await;
            increments(5).await
        };
        tokio::join!(patient(delete(&cluster, 2, object)), after)
    };
    let (before, (deleted, after)) = tokio::join!(increments(5), behind);
    assert_eq!(deleted.done().version(), 7);
    let answers = |replies: Vec<Reply>| {
        let answers = replies.into_iter().map(Reply::done);
        let mut answers: Vec<_> =
            answers.map(|reply| (reply.version(), reply.json().as_u64().unwrap())).collect();
        answers.sort_unstable();
        answers
    };
    assert_eq!(answers(before), [(2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]);
    assert_eq!(answers(after), [(8, 1), (9, 2), (10, 3), (11, 4), (12, 5)]);
    let busy = busy.await.unwrap().expect("an answer");
    assert_ne!(busy.status, 200, "the object was busy until the timeout");
}

#[tokio::test]
async fn deleted_objects_are_left_out_of_lists_on_every_node() {
    let cluster = cluster().await;
    let keys: Vec<_> = (0..6).map(|number| format!("left-{number}")).collect();
    for key in &keys {
        cluster.client(0).increment(&format!("counter/{key}")).await;
    }
    for gone in [1, 2, 4] {
        let object = format!("counter/{}", keys[gone]);
        let _ = delete(&cluster, gone % 3, &object).send().await.done();
        // Some are cold, others still active.
        if gone == 2 {
            cluster.client(0).deactivate(&object).await;
        }
    }
    let listed = async |node: usize, query: &str| {
        let path = format!("/v1/objects/counter?prefix=left-{query}");
        cluster.client(node).get(&path).send().await.done().json()
    };
    for node in 0..3 {
        assert_eq!(listed(node, "").await["keys"], json!(["left-0", "left-3", "left-5"]));
        // A page that contains only deleted objects is not the last one.
        let page = listed(node, "&limit=2&after=left-0").await;
        assert_eq!((&page["keys"], &page["next"]), (&json!([]), &json!("left-2")));
    }
    assert_eq!(cluster.client(2).increment("counter/left-4").await, 1);
    for node in 0..3 {
        let keys = json!(["left-0", "left-3", "left-4", "left-5"]);
        assert_eq!(listed(node, "").await["keys"], keys);
    }
}

/// A tombstone is a version like any other: it survives its node, and the next owner continues from it.
#[tokio::test]
async fn versions_and_epochs_go_on_after_a_delete_on_whichever_node() {
    let cluster = Cluster::start(options()).await;
    let object = "counter/goes-on";
    let mut newest = (0, 0);
    let mut goes_on = |reply: &Reply, is_moved: bool| {
        let (version, epoch) = newest;
        assert_eq!(reply.version(), version + 1);
        assert!(reply.epoch() >= epoch + u64::from(is_moved), "{reply:?} after epoch {epoch}");
        newest = (reply.version(), reply.epoch());
    };
    for round in 0..iterations(2, 20) {
        goes_on(&put(&cluster, 0, object, 7).send().await.done(), false);
        goes_on(&delete(&cluster, 1, object).key(&round.to_string()).send().await.done(), false);
        let tombstone = record(&cluster, object).await;

        cluster.client(0).deactivate(object).await;
        let state = cluster.client(2).state(object).await;
        assert_eq!((state.json(), state.version()), (json!({ "value": 0 }), tombstone.0));
        assert_eq!(record(&cluster, object).await, tombstone, "a read does not change the record");

        let owner = cluster.owner_of(object).await;
        let asked = (owner + 1) % 3;
        cluster.node(owner).kill9();
        wait::until("another node answers", async || {
            let value = cluster.client(asked).call(object, "value");
            let reply = value.header("highlander-timeout", "1s").send().await;
            reply.status == 200 && reply.json() == 0
        })
        .await;
        let again = delete(&cluster, asked, object).key(&round.to_string()).send().await.done();
        assert_eq!((again.version(), again.is_replayed()), (tombstone.0, true));
        let call = cluster.client(asked).call(object, "increment").send().await.done();
        assert_eq!(call.json(), 1);
        goes_on(&call, true);
        cluster.node(owner).restart().await;
        cluster.is_whole().await;
    }
}

/// The tombstone is in the store, and the owner dies before it receives the response.
#[tokio::test]
async fn a_delete_whose_owner_dies_before_the_answer_is_told_by_its_key() {
    let cluster = Cluster::start(options()).await;
    let object = "counter/dies";
    assert_eq!(cluster.client(0).increment(object).await, 1);
    let owner = cluster.owner_of(object).await;
    let asked = (owner + 1) % 3;
    let held = Rule::new(Fault::Hold).on(Operation::Put).key_with("/dies.").times(1);
    cluster.faults().add(held);
    let unknown = cluster.client(owner).object(Method::DELETE, object).key("k");
    let killed = async {
        cluster.faults().wait_for_held(1).await;
        cluster.node(owner).kill9();
        cluster.faults().release();
    };
    let (unknown, ()) = tokio::join!(unknown.try_send(), killed);
    assert!(unknown.is_err(), "{unknown:?}");
    wait::until("the tombstone is in the store", async || record(&cluster, object).await.2).await;
    let mut told = None;
    wait::until("another node answers", async || {
        let repeat = delete(&cluster, asked, object).key("k").header("highlander-timeout", "1s");
        told = Some(repeat.send().await).filter(|reply| reply.status == 200);
        told.is_some()
    })
    .await;
    let told = told.expect("waited for above");
    assert_eq!((told.version(), told.is_replayed()), (2, true));
    assert_eq!(cluster.client(asked).increment(object).await, 1);
}
