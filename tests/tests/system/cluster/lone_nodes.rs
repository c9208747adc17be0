//! Nodes that start while a recorded change of a type is in progress: no node advances it alone, and all nodes
//! agree soon (guarantees S9, L5).
//!
//! Each check reads the type's record before it queries the nodes. If the record is past its first stage, every
//! serving node must already know the change.

use std::time::Duration;

use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_services::fault_proxy::Mode;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::command::highlander;
use highlander_tests::iterations::iterations;
use highlander_tests::{artifacts, wait};
use serde_json::{Value, json};

/// Limit of the time that nodes may disagree after a fault.
const AGREE_MAX: Duration = Duration::from_secs(30);
/// A link to ZooKeeper so slow that a node reads the types before its session begins.
const SLOW: Mode = Mode::Delay(Duration::from_millis(250));

async fn cluster() -> Cluster {
    // A node whose store does not respond stays a member throughout.
    let options = ClusterOptions::new().session(Duration::from_secs(4));
    Cluster::start(options.with("objects.store_unavailable_timeout", "5m")).await
}

/// Returns the record of the type, as stored.
fn recorded(cluster: &Cluster) -> Value {
    let blob =
        cluster.store().blob("test/types/journal.json").expect("the type must have a record");
    serde_json::from_slice(&blob).expect("the record is JSON")
}

fn names(document: &Value, revision: u64) -> bool {
    document["current"] == revision || document["rollout"]["revision"] == revision
}

/// Whether the revision is current and no roll-out is open, according to the record and each of these nodes.
/// Checks that the record is not ahead of any of them.
async fn agree(cluster: &Cluster, nodes: &[usize], revision: u64) -> bool {
    let record = recorded(cluster);
    let is_past_first_stage = record["rollout"]["stage"] != "preparing";
    let is_closed =
        |document: &Value| document["current"] == revision && document["rollout"].is_null();
    let mut have_all = is_closed(&record);
    for node in nodes {
        let Some(said) = cluster.rollout(*node, "journal").await else {
            have_all = false;
            continue;
        };
        assert!(
            names(&said, revision) || !is_past_first_stage,
            "node {node} does not have revision {revision}; the record is {}, the node reports {said}",
            record["rollout"]
        );
        have_all &= is_closed(&said);
    }
    have_all
}

/// Records a roll-back through a node that dies before it can notify another node.
async fn die_after_recording(cluster: &Cluster, victim: usize, to: u64) {
    let hold = Rule::new(Fault::Hold).on(Operation::Put).key_with("types/journal").times(1);
    cluster.faults().add(hold);
    let client = cluster.client(victim);
    let path = format!("/v1/types/journal/rollback?to={to}&wait=false");
    let asking =
        tokio::spawn(async move { client.request(reqwest::Method::POST, &path).try_send().await });
    let held = cluster.faults();
    wait::within("the roll-back is about to be recorded", held.wait_for_held(1)).await;
    cluster.node(victim).kill9();
    assert!(asking.await.unwrap().is_err(), "the caller must not get a response");
    held.release();
    wait::until("the roll-back is recorded", async || names(&recorded(cluster), to)).await;
}

/// Each node in turn is the one that dies, so one of them is the node that coordinates the type's roll-outs. It
/// restarts with a link to ZooKeeper that is cut, slow or open.
#[tokio::test]
async fn a_roll_back_of_which_its_dead_node_told_nobody_reaches_all_and_is_closed_by_nobody_alone()
{
    let cluster = cluster().await;
    for revision in 2..=3 {
        let wasm = artifacts::variant_bytes("journal", &format!("lone-{revision}"));
        let reply = cluster.client(0).upload(wasm).await;
        assert_eq!((reply.status, &reply.json()["revision"]), (201, &json!(revision)));
    }
    cluster.serves("journal", 3).await;
    for round in 0..usize::try_from(iterations(3, 27)).unwrap() {
        let (victim, to) = (round % 3, round as u64 % 3 + 1);
        let way = [Mode::Cut, SLOW, Mode::Open][(round + round / 3) % 3];
        let others = cluster.others(victim);
        die_after_recording(&cluster, victim, to).await;
        cluster.node(victim).links().set_zookeeper(way);
        cluster.node(victim).restart_unready().await;
        let what = format!("round {round}: nodes {others:?} agree on {to}, the way is {way:?}");
        let agreeing = wait::until(&what, async || agree(&cluster, &others, to).await);
        wait::within_of(AGREE_MAX, &what, agreeing).await;
        cluster.node(victim).links().heal();
        cluster.is_whole().await;
        let all = [0, 1, 2];
        let what = format!("round {round}: all agree on {to}");
        let agreeing = wait::until(&what, async || agree(&cluster, &all, to).await);
        wait::within_of(AGREE_MAX, &what, agreeing).await;
        cluster.serves("journal", to).await;
    }
    let next = cluster.client(1).upload(artifacts::variant_bytes("journal", "lone-last")).await;
    assert_eq!(next.status, 201, "the next deployment must succeed: {}", next.text());
}

/// One node cannot fetch the component and continues to serve the previous one, while another node starts.
#[tokio::test]
async fn a_deployment_is_not_done_while_a_node_cannot_fetch_it_whoever_starts_meanwhile() {
    let cluster = cluster().await;
    let object = cluster.objects_on(2, "journal", 1).await.remove(0);
    let file = cluster.folder().join("next.wasm");
    std::fs::write(&file, artifacts::variant_bytes("journal", "next")).unwrap();
    let answered_by = async |revision: u64| {
        let reply = cluster.client(2).call(&object, "digest").send().await.done();
        reply.revision() == revision
    };
    assert!(answered_by(1).await);
    cluster.node(2).links().store.cut();
    let url = cluster.client(1).url().to_owned();
    let deploying = tokio::spawn(async move {
        highlander().url(&url).run(&["deploy", file.to_str().unwrap()]).await
    });
    wait::until("the deployment is recorded", async || names(&recorded(&cluster), 2)).await;
    for way in [SLOW, Mode::Open] {
        cluster.node(0).kill9();
        cluster.node(0).links().set_zookeeper(way);
        cluster.node(0).restart().await;
        cluster.node(0).links().heal();
        assert_eq!(recorded(&cluster)["rollout"]["stage"], "preparing", "{way:?}");
        assert!(answered_by(1).await && !deploying.is_finished(), "{way:?}");
    }
    cluster.node(2).links().store.heal();
    let deployed = wait::within("the deployment ends", deploying).await.unwrap().done();
    assert_eq!(deployed.stdout, "journal revision 2\n");
    assert!(answered_by(2).await, "every node must serve the revision when the command ends");
    cluster.serves("journal", 2).await;
}

/// The view of an operator who rolls back while one node has not read the change yet.
#[tokio::test]
async fn a_roll_back_is_done_when_every_node_has_heard_of_it() {
    let cluster = cluster().await;
    let object = cluster.objects_on(2, "journal", 1).await.remove(0);
    assert_eq!(
        cluster.client(0).upload(artifacts::variant_bytes("journal", "next")).await.status,
        201
    );
    let revision = async || {
        let reply = cluster.client(2).call(&object, "digest").send().await.done();
        reply.revision()
    };
    assert_eq!(revision().await, 2);
    // The node receives the notification, but cannot read the record.
    cluster.node(2).links().store.cut();
    let url = cluster.client(0).url().to_owned();
    let rolling =
        tokio::spawn(async move { highlander().url(&url).run(&["rollback", "journal"]).await });
    wait::until("the roll-back is recorded", async || recorded(&cluster)["current"] == 1).await;
    wait::until("another node has the roll-back", async || {
        cluster.rollout(1, "journal").await.is_some_and(|said| said["current"] == 1)
    })
    .await;
    assert!(!rolling.is_finished() && revision().await == 2);
    cluster.node(2).links().store.heal();
    let done = wait::within("the roll-back ends", rolling).await.unwrap().done();
    assert_eq!(done.stdout, "journal revision 1\n");
    assert_eq!(revision().await, 1);
}
