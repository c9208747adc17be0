//! Watching an object of another node: all listeners of a node share one stream between the nodes. Changes of the
//! owner are covered by the router's tests and the system tests.

use super::*;
use crate::wire::sse::Reader;

/// A client's event stream.
struct Stream {
    response: reqwest::Response,
    reader: Reader,
}

impl Stream {
    async fn begin(node: &Listening, id: &ObjectId) -> Self {
        let request = node.request(Method::GET, &format!("/v1/objects/{id}/events"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, reader: Reader::default() }
    }

    async fn next(&mut self) -> String {
        loop {
            if let Some(event) = self.reader.take().unwrap() {
                return format!("{} {}", event.id.unwrap(), event.name);
            }
            let reading = tokio::time::timeout(Duration::from_secs(20), self.response.chunk());
            let bytes = reading.await.expect("an event arrives in time").unwrap();
            self.reader.push(&bytes.expect("the stream continues"));
        }
    }
}

#[tokio::test]
async fn events_come_from_the_owner_over_one_stream() {
    let (cluster, nodes) = cluster(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x \u{e4}");
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(Stream::begin(&nodes[0], &id).await);
    }
    assert_eq!(nodes[1].place.node.metrics().watchers.get(), 1);
    for _ in 0..2 {
        assert_eq!(nodes[0].post(&id, "add", "1").await.status, 200);
    }
    for stream in &mut streams {
        for expected in ["0 reset", "1 changed", "2 changed"] {
            assert_eq!(stream.next().await, expected);
        }
    }
    // The activation ends, and with it the stream between the nodes. The clients' streams continue with the next
    // activation.
    assert!(nodes[1].place.node.deactivate(&id).await);
    assert_eq!(nodes[1].post(&id, "add", "1").await.status, 200);
    for stream in &mut streams {
        let heard = stream.next().await;
        assert!(matches!(heard.as_str(), "3 changed" | "3 reset"), "{heard}");
    }
}

#[tokio::test]
async fn where_an_object_of_another_node_stands_is_told_once_too() {
    let (cluster, nodes) = cluster(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    nodes[0].post(&id, "add", "1").await;
    let request = nodes[0].request(Method::GET, &format!("/v1/objects/{id}/events"));
    let answer = send(request.header("accept", "application/json")).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "{\"version\":1,\"state\":{\"value\":1}}")
    );
    assert_eq!(answer.header("highlander-owner"), Some("b"));
}

#[tokio::test]
async fn a_node_that_is_not_the_owner_does_not_pass_events_on_to_another() {
    let (cluster, nodes) = cluster(&["a", "b"]).await;
    let id = cluster.counter_at("b", "x");
    nodes[1].post(&id, "add", "1").await;
    let request = nodes[0].request(Method::GET, &format!("/v1/objects/{id}/events"));
    let answer = send(request.header("highlander-hops", "1")).await;
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("not-owner")));
    assert_eq!(answer.header("highlander-owner"), Some("b"));
}
