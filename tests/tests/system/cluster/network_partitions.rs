//! Nodes that are partitioned from exactly one of their neighbours (guarantees S2, S4, S6, L5).

use std::time::Duration;

use highlander_services::fault_proxy::Mode;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::history::Outcome;
use highlander_tests::{seed, wait};
use tokio::time::sleep;

/// Waits until a node other than this one responds for an object.
async fn has_left(cluster: &Cluster, node: usize, object: &str) {
    let others = cluster.others(node);
    wait::until(&format!("another node answers for {object}"), async || {
        let call = cluster.client(others[0]).call(object, "digest");
        let answer = call.header("highlander-timeout", "1s").try_send().await;
        answer
            .is_ok_and(|reply| reply.status == 200 && !cluster.node(node).is_called(reply.owner()))
    })
    .await;
}

/// A node that has lost its ensemble may forward calls, but must not answer them.
async fn check_cut_from_registry(test: &str, mode: Mode) {
    let mut random = seed::random_numbers(test);
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::new(cluster.objects_on(0, "journal", 4).await);
    super::under_load(&cluster, &objects, &mut random, async || {
        cluster.node(0).links().set_zookeeper(mode);
        for recorder in objects.recorders() {
            has_left(&cluster, 0, recorder.object()).await;
            let call = cluster.client(0).call(recorder.object(), "digest");
            let answer = call.header("highlander-timeout", "500ms").try_send().await;
            let own = answer
                .is_ok_and(|reply| reply.status == 200 && cluster.node(0).is_called(reply.owner()));
            assert!(!own, "{} should have another owner", recorder.object());
        }
        cluster.node(0).links().heal();
    })
    .await;
    cluster.is_whole().await;
    let _ = objects.check_history(&cluster).await;
}

#[tokio::test]
async fn a_node_cut_from_its_ensemble_answers_until_its_lease_ends_and_then_nothing() {
    let test = "a_node_cut_from_its_ensemble_answers_until_its_lease_ends_and_then_nothing";
    check_cut_from_registry(test, Mode::Cut).await;
}

#[tokio::test]
async fn a_node_whose_ensemble_does_not_hear_it_answers_nothing_past_its_lease() {
    let test = "a_node_whose_ensemble_does_not_hear_it_answers_nothing_past_its_lease";
    check_cut_from_registry(test, Mode::CutTowards).await;
}

#[tokio::test]
async fn a_node_that_does_not_hear_its_ensemble_answers_nothing_past_its_lease() {
    let test = "a_node_that_does_not_hear_its_ensemble_answers_nothing_past_its_lease";
    check_cut_from_registry(test, Mode::DropResponses).await;
}

#[tokio::test]
async fn a_node_that_hears_its_ensemble_again_in_time_keeps_its_objects() {
    let mut random =
        seed::random_numbers("a_node_that_hears_its_ensemble_again_in_time_keeps_its_objects");
    let options = ClusterOptions::new().session(Duration::from_secs(8));
    let cluster = Cluster::start(options).await;
    let objects = Objects::new(cluster.objects_on(0, "journal", 4).await);
    super::under_load(&cluster, &objects, &mut random, async || {
        for mode in [Mode::Cut, Mode::Refuse] {
            cluster.node(0).links().set_zookeeper(mode);
            sleep(Duration::from_millis(1_500)).await;
            cluster.node(0).links().heal();
            objects.more_answers(super::ANSWERS).await;
        }
    })
    .await;
    let totals = objects.check_history(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
    objects.have_one_owner();
}

/// Includes objects without changes and objects with undecided writes. Such writes may still take effect, and no
/// caller receives "not executed" for them.
#[tokio::test]
async fn a_node_cut_from_the_store_gives_its_objects_up() {
    let mut random = seed::random_numbers("a_node_cut_from_the_store_gives_its_objects_up");
    let options = ClusterOptions::new()
        .with("objects.store_unavailable_timeout", "1s")
        .with("store.request_timeout", "500ms")
        .with("objects.call_timeout", "3s");
    let cluster = Cluster::start(options).await;
    let objects = cluster.objects_on(0, "journal", 8).await;
    let (busy, quiet) = objects.split_at(4);
    let busy = Objects::new(busy.iter().cloned());
    let quiet = Objects::new(quiet.iter().cloned());
    let _ = quiet.settle(&cluster).await;
    super::under_load(&cluster, &busy, &mut random, async || {
        cluster.node(0).links().store.cut();
        let client = cluster.client(0);
        wait::until("the node is not ready", async || !client.is_ready().await).await;
        for recorder in quiet.recorders().iter().chain(busy.recorders()) {
            has_left(&cluster, 0, recorder.object()).await;
        }
        busy.more_answers(super::ANSWERS).await;
        cluster.node(0).links().heal();
        wait::until("the node is ready", async || client.is_ready().await).await;
    })
    .await;
    let _ = busy.check_history(&cluster).await;
    let _ = quiet.check_history(&cluster).await;
}

/// The open request takes a minute to fail; the node does not wait for that.
#[tokio::test]
async fn a_silent_store_is_noticed_before_a_request_to_it_has_failed() {
    let options = ClusterOptions::new()
        .with("objects.store_unavailable_timeout", "1s")
        .with("store.request_timeout", "1m");
    let cluster = Cluster::start(options).await;
    let objects = Objects::new(cluster.objects_on(0, "journal", 1).await);
    let client = cluster.client(0);
    cluster.node(0).links().store.cut();
    let recorder = &objects.recorders()[0];
    let change = recorder.change(&client, None);
    let unready = wait::until("the node is not ready", async || !client.is_ready().await);
    let (outcome, ()) = tokio::join!(change, unready);
    assert!(!matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    has_left(&cluster, 0, recorder.object()).await;
    cluster.node(0).links().heal();
    wait::until("the node is ready", async || client.is_ready().await).await;
    let _ = objects.check_history(&cluster).await;
}

#[tokio::test]
async fn a_node_that_the_others_cannot_reach_keeps_its_objects() {
    let mut random = seed::random_numbers("a_node_that_the_others_cannot_reach_keeps_its_objects");
    let options = ClusterOptions::new().with("objects.call_timeout", "2s");
    let cluster = Cluster::start(options).await;
    let objects = Objects::new(cluster.objects_on(0, "journal", 4).await);
    for mode in [Mode::Cut, Mode::Refuse, Mode::DropResponses] {
        super::under_load(&cluster, &objects, &mut random, async || {
            cluster.node(0).links().front.set(mode);
            for recorder in objects.recorders() {
                let through_owner = recorder.change(&cluster.client(0), None).await;
                assert!(matches!(through_owner, Outcome::Done(_)), "{through_owner:?}");
                let through_other = recorder.read(&cluster.client(1)).await;
                assert!(!matches!(through_other, Outcome::Done(_)), "{through_other:?}");
            }
            cluster.node(0).links().heal();
        })
        .await;
        let _ = objects.check_history(&cluster).await;
        for recorder in objects.recorders() {
            assert_eq!(cluster.owner_of(recorder.object()).await, 0);
        }
    }
}

#[tokio::test]
async fn slow_and_broken_links_between_nodes_cost_nothing_but_time() {
    let mut random =
        seed::random_numbers("slow_and_broken_links_between_nodes_cost_nothing_but_time");
    let cluster = Cluster::start(ClusterOptions::new()).await;
    let objects = Objects::journals("between-nodes", 8);
    super::under_load(&cluster, &objects, &mut random, async || {
        for (turn, node) in (0..3).cycle().take(9).enumerate() {
            let front = &cluster.node(node).links().front;
            match turn % 3 {
                0 => front.set(Mode::Delay(Duration::from_millis(100))),
                1 => front.set(Mode::Throttle(20_000)),
                _ => front.reset(),
            }
            objects.more_answers(super::ANSWERS / 2).await;
            front.heal();
        }
    })
    .await;
    let _ = objects.check_history(&cluster).await;
}
