//! A node killed with SIGKILL under load (guarantees S1, S6, S7, D1).

use std::sync::Arc;

use highlander_tests::history::Outcome;
use highlander_tests::history::recorder::Recorder;
use highlander_tests::load::Load;
use highlander_tests::node::Node;
use highlander_tests::{seed, wait};
use rand::RngExt as _;

const ROUNDS: u64 = 50;
const CALLERS: u64 = 8;

/// Each crash follows a random number of responses after the start, so that it is under load on any machine.
#[tokio::test]
async fn no_answered_update_is_lost_in_fifty_crashes() {
    let mut random = seed::random_numbers("no_answered_update_is_lost_in_fifty_crashes");
    let mut node = Node::with_guests(&["counter"]).await;
    let recorder = Arc::new(Recorder::new("counter/a"));
    let mut crashed_count = 0;
    for round in 0..ROUNDS {
        let load = Load::start(&node.client(), &recorder, CALLERS, round);
        let answers = recorder.answered_count() + random.random_range(1..200);
        wait::within("answers under load", recorder.has_answered(answers)).await;
        node.kill9();
        crashed_count += load.end().await;
        node.restart().await;
        let client = node.client();
        for key in recorder.unknown_keys() {
            let repeat = recorder.change(&client, Some(&key)).await;
            assert!(matches!(repeat, Outcome::Done(_)), "{repeat:?}");
        }
        if round % 10 == 9 {
            let _ = recorder.audit(&client).await;
        }
    }
    let last = recorder.audit(&node.client()).await;
    eprintln!("{ROUNDS} crashes, {crashed_count} calls interrupted, {} changes", last.version);
    assert!(crashed_count > 0, "no call was in progress at any kill");
    assert!(last.epoch > ROUNDS / 2, "the epoch did not increase: {last:?}");
}
