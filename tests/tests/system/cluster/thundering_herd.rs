//! Thundering herd: many objects that lose their owner at the same moment and are all called at once.

use std::time::Duration;

use futures_util::future::join_all;
use highlander_s3_server::faults::Operation;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::iterations::iterations;
use tokio::time::sleep;

#[tokio::test]
async fn a_herd_of_objects_comes_back_without_a_stampede() {
    let options = ClusterOptions::new()
        .session(Duration::from_secs(4))
        .with("objects.activation_rate", "200")
        .with("objects.call_timeout", "30s");
    let cluster = Cluster::start(options).await;
    let count = usize::try_from(iterations(600, 10_000)).unwrap();
    let objects = Objects::journals("herd", count);
    for chunk in objects.recorders().chunks(100) {
        let client = cluster.client(0);
        let calls = chunk.iter().map(|recorder| recorder.change(&client, None));
        for outcome in join_all(calls).await {
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        }
    }
    let (gets, puts) = (requests(&cluster, Operation::Get), requests(&cluster, Operation::Put));
    cluster.node(2).kill9();
    let clients = [cluster.client(0), cluster.client(1)];
    let callers = objects.recorders().iter().enumerate().map(|(number, recorder)| {
        let client = &clients[number % 2];
        async move {
            while !matches!(recorder.change(client, Some("again")).await, Outcome::Done(_)) {
                sleep(Duration::from_millis(100)).await;
            }
        }
    });
    join_all(callers).await;
    let gets = requests(&cluster, Operation::Get) - gets;
    let puts = requests(&cluster, Operation::Put) - puts;
    eprintln!("{count} objects recovered with {gets} reads and {puts} writes");
    let count = count as u64;
    assert!(gets <= count && puts <= count + count / 5, "{gets} reads and {puts} writes");
    let _ = objects.check_history(&cluster).await;
}

fn requests(cluster: &Cluster, operation: Operation) -> u64 {
    cluster.store().request_count(operation)
}
