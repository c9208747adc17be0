//! Many callers of one object, and callers that disconnect.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use highlander_tests::history::Outcome;
use highlander_tests::history::recorder::Recorder;
use highlander_tests::node::{Node, Options};
use highlander_tests::wire::Wire;

const CALLERS: u64 = 1_000;

#[tokio::test]
async fn a_thousand_callers_at_once_get_a_thousand_numbers() {
    // A mailbox for all calls: how many of them a smaller one refuses depends on the machine.
    let options = Options::new().with("objects.mailbox_len", "1024");
    let node = Node::start_with(options, &["counter"]).await;
    let (client, recorder) = (node.client(), Arc::new(Recorder::new("counter/hot")));
    let calls = (0..CALLERS).map(|_| recorder.change(&client, None));
    let outcomes = join_all(calls).await;
    let numbers: BTreeSet<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Done(seen) => seen.value,
            other => panic!("a call failed: {other:?}"),
        })
        .collect();
    assert_eq!(numbers, (1..=CALLERS).collect());
    assert_eq!(recorder.audit(&client).await.value, CALLERS);
}

#[tokio::test]
async fn calls_to_different_objects_do_not_meet() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    let calls = (0..200).map(|index| {
        let client = client.clone();
        async move {
            let object = format!("counter/{}", index % 50);
            client.increment(&object).await
        }
    });
    let sum: u64 = join_all(calls).await.into_iter().sum();
    assert_eq!(sum, 50 * (1 + 2 + 3 + 4));
}

/// Every second client disconnects before the response, every third before its request is complete.
#[tokio::test]
async fn a_call_whose_client_went_away_is_whole_or_nothing() {
    const CALLS: usize = 60;
    let node = Node::with_guests(&["counter"]).await;
    for call in 0..CALLS {
        let mut wire = Wire::connect(node.url()).await;
        let text = wire.call("counter/a", "increment", &format!("idempotency-key: {call}\r\n"));
        let length = if call % 3 == 0 { text.len() - 2 } else { text.len() };
        assert!(wire.write(&text.as_bytes()[..length]).await);
        if call % 2 == 0 && call % 3 != 0 {
            assert!(wire.is_over_within(highlander_tests::wait::TIMEOUT).await);
        }
    }
    let (client, mut versions) = (node.client(), BTreeSet::new());
    for call in 0..CALLS {
        let repeat = client.call("counter/a", "increment").key(&call.to_string());
        let reply = repeat.send().await.done();
        assert!(call % 3 != 0 || !reply.is_replayed(), "an incomplete request was executed");
        versions.insert(reply.version());
    }
    assert_eq!(versions, (1..=CALLS as u64).collect());
    assert_eq!(client.value("counter/a").await, CALLS as u64);
}
