//! Subscriptions through every node of a cluster, while the owner of the object changes.

use std::sync::Arc;
use std::time::Duration;

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::watching::{Seen, Watching, check_order};
use highlander_tests::{command, wait};
use tokio::task::JoinHandle;

const OBJECT: &str = "counter/watched";

/// A subscriber at one node, which reads until the end of a version and resubscribes whenever the stream ends.
struct Watcher {
    reading: JoinHandle<(Vec<Seen>, usize)>,
}

impl Watcher {
    async fn start(cluster: &Arc<Cluster>, index: usize, until: u64) -> Self {
        let mut watching = Watching::begin(&cluster.client(index), OBJECT, None).await;
        let cluster = Arc::clone(cluster);
        let reading = tokio::spawn(async move {
            let (mut events, mut interruptions) = (Vec::<Seen>::new(), 0);
            loop {
                match watching.next().await {
                    Some(seen) if seen.name == "closed" => {}
                    Some(seen) => {
                        let is_last = seen.place() >= (until, u32::MAX);
                        events.push(seen);
                        if is_last {
                            return (events, interruptions);
                        }
                        continue;
                    }
                    None => {}
                }
                interruptions += 1;
                let after = events.last().and_then(|seen| seen.id.clone());
                watching = loop {
                    let client = cluster.client(index);
                    match Watching::try_begin(&client, OBJECT, after.as_deref()).await {
                        Ok(watching) => break watching,
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                };
            }
        });
        Self { reading }
    }

    /// Returns the number of interruptions, and the number of resets.
    async fn end(self) -> (usize, usize) {
        let (events, interruptions) =
            wait::within("all events are received", self.reading).await.unwrap();
        let resets = check_order(&events);
        eprintln!("{} events, {resets} resets, {interruptions} interruptions", events.len());
        (interruptions, resets)
    }
}

async fn watchers(cluster: &Arc<Cluster>, until: u64) -> Vec<Watcher> {
    let mut watchers = Vec::new();
    for index in 0..cluster.nodes().len() {
        watchers.push(Watcher::start(cluster, index, until).await);
    }
    watchers
}

/// Changes the object this many times, through the nodes in turn, and repeats each call until it succeeds.
async fn change(cluster: &Cluster, through: &[usize], from: u64, count: u64) {
    for n in from..from + count {
        let index = through[usize::try_from(n).unwrap() % through.len()];
        wait::until("the call is done", async || {
            let call = cluster.client(index).call(OBJECT, "increment").key(&format!("call-{n}"));
            call.try_send().await.is_ok_and(|reply| reply.status == 200)
        })
        .await;
    }
}

#[tokio::test]
async fn every_node_tells_every_version_through_deactivations_and_a_swap() {
    let cluster = Arc::new(Cluster::start(ClusterOptions::new().guests(&["counter"])).await);
    let watchers = watchers(&cluster, 90).await;
    change(&cluster, &[0, 1, 2], 0, 30).await;
    cluster.client(0).deactivate(OBJECT).await;
    change(&cluster, &[0, 1, 2], 30, 30).await;
    cluster.client(1).deploy("counter-v2").await;
    change(&cluster, &[0, 1, 2], 60, 30).await;
    for watcher in watchers {
        assert_eq!(watcher.end().await, (0, 0), "a stream ended, or an event was missed");
    }
}

#[tokio::test]
async fn streams_go_on_when_the_owner_hands_its_objects_over() {
    let cluster = Arc::new(Cluster::start(ClusterOptions::new().guests(&["counter"])).await);
    let watchers = watchers(&cluster, 60).await;
    change(&cluster, &[0, 1, 2], 0, 20).await;
    let owner = cluster.owner_of(OBJECT).await;
    let url = cluster.node(owner).url();
    let name = cluster.node(owner).name().to_owned();
    let draining = command::highlander().url(&url);
    let arguments = ["drain", name.as_str()];
    let (_, ()) = tokio::join!(draining.run(&arguments), change(&cluster, &[0, 1, 2], 20, 20));
    assert_ne!(cluster.owner_of(OBJECT).await, owner);
    change(&cluster, &[0, 1, 2], 40, 20).await;
    for watcher in watchers {
        assert_eq!(watcher.end().await.0, 0, "a stream ended");
    }
}

#[tokio::test]
async fn streams_go_on_when_the_owner_dies() {
    let cluster = Arc::new(Cluster::start(ClusterOptions::new().guests(&["counter"])).await);
    let mut watchers = watchers(&cluster, 60).await;
    change(&cluster, &[0, 1, 2], 0, 20).await;
    let owner = cluster.owner_of(OBJECT).await;
    cluster.node(owner).kill9();
    change(&cluster, &cluster.others(owner), 20, 20).await;
    cluster.node(owner).restart().await;
    cluster.is_whole().await;
    change(&cluster, &[0, 1, 2], 40, 20).await;
    let (interruptions, _) = watchers.remove(owner).end().await;
    assert_eq!(interruptions, 1, "clients of the killed node must reconnect once");
    for watcher in watchers {
        assert_eq!(watcher.end().await.0, 0, "another stream ended");
    }
}
