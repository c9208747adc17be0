//! Canary releases and roll-backs (guarantee S9).

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::command::{Ended, highlander};
use highlander_tests::{artifacts, seed};
use serde_json::{Value, json};

const OBJECTS: usize = 40;

/// Counters that have been called through all nodes.
struct Counters<'a> {
    cluster: &'a Cluster,
    keys: Vec<String>,
    /// Number of increments of each.
    count: u64,
}

impl<'a> Counters<'a> {
    async fn new(cluster: &'a Cluster) -> Self {
        let keys = (0..OBJECTS).map(|number| number.to_string()).collect();
        let mut counters = Self { cluster, keys, count: 0 };
        assert_eq!(counters.revisions().await, vec![1; OBJECTS]);
        counters
    }

    /// Increments each object once, through the nodes in turn, and returns the revisions that ran. Checks each
    /// count.
    async fn revisions(&mut self) -> Vec<u64> {
        self.count += 1;
        let (cluster, count) = (self.cluster, self.count);
        let calls = self.keys.iter().zip(count..).map(async |(key, turn)| {
            let client = cluster.client(usize::try_from(turn % 3).unwrap());
            let reply = client.call(&format!("counter/{key}"), "increment").send().await.done();
            assert_eq!(reply.json(), json!(count), "counter/{key} lost a change");
            reply.revision()
        });
        join_all(calls).await
    }

    /// Returns the keys of the objects that run a revision.
    async fn run_by(&mut self, revision: u64) -> BTreeSet<String> {
        let revisions = self.revisions().await;
        let keys = self.keys.iter().zip(revisions);
        keys.filter(|(_, by)| *by == revision).map(|(key, _)| key.clone()).collect()
    }

    /// Unloads every object, so that it is activated again.
    async fn deactivate(&self) {
        let client = self.cluster.client(0);
        let objects = self.keys.iter().map(|key| format!("counter/{key}"));
        join_all(objects.map(async |object| client.deactivate(&object).await)).await;
    }
}

/// Starts a cluster with a session timeout that a busy machine does not exceed.
async fn cluster() -> Cluster {
    let options = ClusterOptions::new().session(Duration::from_secs(6));
    Cluster::start(options.guests(&["counter"])).await
}

async fn cli(cluster: &Cluster, index: usize, arguments: &[&str]) -> Ended {
    highlander().url(cluster.client(index).url()).run(arguments).await
}

async fn document(cluster: &Cluster, index: usize) -> Value {
    cli(cluster, index, &["types", "counter", "--json"]).await.done().json()
}

#[tokio::test]
async fn a_part_of_the_objects_runs_a_revision_wherever_they_are_activated_and_then_all() {
    let cluster = cluster().await;
    let mut counters = Counters::new(&cluster).await;
    let component = || artifacts::guest_bytes("counter-v2");

    let by_key = "canary_key=3&canary_key=17";
    let reply = cluster.client(0).upload_on(by_key, component()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let keys: BTreeSet<_> = ["3", "17"].map(str::to_owned).into();
    assert_eq!(counters.run_by(2).await, keys);
    let other = artifacts::variant_bytes("counter", "other");
    cluster.client(1).upload(other).await.problem("deployment-conflict");
    let shown = cli(&cluster, 2, &["types", "counter"]).await.done().stdout;
    assert!(shown.contains("in use, being monitored, for 2 objects"), "{shown}");

    assert_eq!(cluster.client(1).upload_on("canary=30", component()).await.status, 201);
    let share = counters.run_by(2).await;
    // Objects that ran it only because of their key, and have state that only the new code reads, stay on it.
    let share: BTreeSet<_> = share.difference(&keys).cloned().collect();
    assert!((3..25).contains(&share.len()), "{share:?} of {OBJECTS}");
    counters.deactivate().await;
    assert_eq!(&counters.run_by(2).await - &keys, share, "after a new activation");
    cluster.node(2).kill9();
    cluster.node(2).restart().await;
    cluster.is_whole().await;
    assert_eq!(&counters.run_by(2).await - &keys, share, "after a node died");

    assert_eq!(cluster.client(2).upload_on("canary=70", component()).await.status, 201);
    assert!(
        counters.run_by(2).await.is_superset(&share),
        "a larger share must contain the smaller one"
    );
    assert_eq!(cluster.client(0).upload(component()).await.status, 201);
    assert_eq!(counters.revisions().await, vec![2; OBJECTS]);
    cluster.serves("counter", 2).await;
    assert_eq!(document(&cluster, 1).await["pinned"], json!({}));
}

/// Half of the objects are cold and half are active at the roll-back and at the second deployment. The first
/// revision cannot read counters that the second one has written.
#[tokio::test]
async fn revisions_are_rolled_back_and_forward_for_live_and_cold_objects() {
    let cluster = cluster().await;
    let mut counters = Counters::new(&cluster).await;
    let file = artifacts::guest("counter-v2");
    let deployed = cli(&cluster, 1, &["deploy", file.to_str().unwrap()]).await.done();
    assert_eq!(deployed.stdout, "counter revision 2\n");
    for key in ["written-live", "written-cold"] {
        assert_eq!(cluster.client(2).increment(&format!("counter/{key}")).await, 1);
    }
    for key in counters.keys.iter().step_by(2).map(String::as_str).chain(["written-cold"]) {
        cluster.client(0).deactivate(&format!("counter/{key}")).await;
    }

    let back = cli(&cluster, 2, &["rollback", "counter"]).await.done();
    assert_eq!(back.stdout, "counter revision 1\n");
    cluster.serves("counter", 1).await;
    assert_eq!(counters.revisions().await, vec![1; OBJECTS]);
    for key in ["written-live", "written-cold"] {
        let call = cluster.client(0).call(&format!("counter/{key}"), "increment");
        let reply = call.send().await.done();
        assert_eq!((reply.json(), reply.revision()), (json!(2), 2), "{key}");
    }
    let shown = cli(&cluster, 0, &["types", "counter"]).await.done().stdout;
    for text in ["rolled back: rolled back by", "objects that stay on their present revision"] {
        assert!(shown.contains(text), "{text:?} in {shown}");
    }
    for key in ["counter/written-live", "counter/written-cold"] {
        assert!(shown.contains(key), "{key} in {shown}");
    }
    let document_back = document(&cluster, 1).await;
    assert_eq!(live(&document_back), [OBJECTS as u64, 2], "{document_back}");

    for key in counters.keys.iter().step_by(2) {
        cluster.client(1).deactivate(&format!("counter/{key}")).await;
    }
    let forward = cli(&cluster, 0, &["rollback", "counter", "--to", "2"]).await.done();
    assert_eq!(forward.stdout, "counter revision 2\n");
    cluster.serves("counter", 2).await;
    assert_eq!(counters.revisions().await, vec![2; OBJECTS]);
    let last = document(&cluster, 2).await;
    assert_eq!((&last["current"], &last["pinned"]), (&json!(2), &json!({})));
    assert_eq!(live(&last), [0, OBJECTS as u64 + 2], "{last}");
    let none = cli(&cluster, 0, &["rollback", "counter", "--to", "9"]).await;
    let (message, _) = none.error(2);
    assert!(message.contains("revision-not-found"), "{message}");
}

/// Three of a hundred objects cannot be restored by it; the others would succeed.
#[tokio::test]
async fn a_revision_that_fails_some_objects_takes_itself_back_and_nothing_is_lost() {
    let test = "a_revision_that_fails_some_objects_takes_itself_back_and_nothing_is_lost";
    let mut random = seed::random_numbers(test);
    let cluster = cluster().await;
    assert_eq!(cluster.client(0).deploy("counter-v2").await, 2);
    let good = (0..160).map(|number| format!("counter/{number}"));
    let objects = Objects::new(good.chain((0..5).map(|number| format!("counter/trap-{number}"))));
    let _ = objects.settle(&cluster).await;
    let load = Load::start(&cluster, &objects, Manner::of(&cluster, 4), &mut random);
    objects.more_answers(super::ANSWERS).await;
    let reply = cluster.client(1).upload(artifacts::guest_bytes("counter-faulty")).await;
    let problem = reply.problem("revision-rolled-back");
    assert!(problem["detail"].as_str().unwrap().contains("trap-"), "{problem}");
    cluster.serves("counter", 2).await;
    objects.more_answers(super::ANSWERS).await;
    let met = load.stop().await;
    assert_eq!(met.failed, 0, "{met:?}");
    let shown = document(&cluster, 2).await;
    let rolled_back = shown["revisions"][2]["rolled_back"].as_str().unwrap_or_default();
    assert!(rolled_back.starts_with("it failed"), "{shown}");
    for recorder in objects.recorders() {
        let call = cluster.client(0).call(recorder.object(), "value");
        assert_eq!(call.send().await.done().revision(), 2, "{}", recorder.object());
    }
    let totals = objects.check_history(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
}

/// Returns the number of live objects of each revision, from the first.
fn live(document: &Value) -> Vec<u64> {
    let revisions = document["revisions"].as_array().expect("a list");
    revisions.iter().map(|one| one["live_objects"].as_u64().expect("a number")).collect()
}
