//! Idle objects cost nothing except their records.

use futures_util::{StreamExt as _, stream};
use highlander_tests::node::{Node, Options};
use highlander_tests::wait;

const OBJECTS: usize = 2_000;
const AT_ONCE: usize = 64;

#[tokio::test]
async fn idle_objects_become_files_again() {
    let options = Options::new().with("objects.idle_timeout", "1s");
    let node = Node::start_with(options, &["counter"]).await;
    let client = node.client();
    let touch = |index: usize| {
        let client = client.clone();
        async move { client.increment(&format!("counter/{index}")).await }
    };
    let touched: u64 =
        stream::iter(0..OBJECTS).map(touch).buffer_unordered(AT_ONCE).fold(0, add).await;
    assert_eq!(touched, OBJECTS as u64);

    wait::until("no object is active", async || {
        client.metric("highlander_active_objects").await == 0.0
    })
    .await;
    assert_eq!(client.metric("highlander_resident_objects").await, 0.0);
    assert_eq!(node.cli(&["list", "counter", "--active"]).await.done().stdout, "");
    let all = node.cli(&["list", "counter"]).await.done();
    assert_eq!(all.stdout.lines().count(), OBJECTS);

    let read = |index: usize| {
        let client = client.clone();
        async move { client.value(&format!("counter/{index}")).await }
    };
    let sum: u64 = stream::iter(0..OBJECTS).map(read).buffer_unordered(AT_ONCE).fold(0, add).await;
    assert_eq!(sum, OBJECTS as u64);
}

async fn add(sum: u64, number: u64) -> u64 {
    sum + number
}

/// More objects than instances: the least recently used instances are evicted, and their objects keep their
/// states.
#[tokio::test]
async fn objects_share_the_instances_that_there_are() {
    let options = Options::new().with("sandbox.resident_max", "8");
    let node = Node::start_with(options, &["counter"]).await;
    let client = node.client();
    for round in 1..=3 {
        for index in 0..40 {
            assert_eq!(client.increment(&format!("counter/{index}")).await, round);
        }
        let resident = client.metric("highlander_resident_objects").await;
        assert!(resident <= 8.0, "{resident} objects are resident");
    }
}
