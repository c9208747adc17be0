//! Listings of active objects across nodes. Merging of pages is tested in the router.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;

/// Characters that need escapes in a path and in a query.
const PREFIX: &str = "x &=+%/\u{e4}";

fn encoded(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// One object per node, and a node that stops before its session ends.
#[tokio::test]
async fn active_objects_are_listed_through_any_node() {
    let (cluster, mut nodes) = cluster(&["a", "b", "c"]).await;
    let counters = ["a", "b", "c"].map(|name| cluster.counter_at(name, PREFIX));
    for id in &counters {
        let path = format!("/v1/objects/counter/{}/add", encoded(id.key()));
        assert_eq!(send(nodes[0].request(Method::POST, &path).body("1")).await.body, "1");
    }
    let mut expected = counters.clone();
    expected.sort_by_key(ObjectId::blob_key);
    let expected = expected.map(|id| id.key().to_owned());
    for node in &nodes {
        let (mut keys, mut after) = (Vec::new(), Some(String::new()));
        while let Some(last) = after {
            let (prefix, last) = (encoded(PREFIX), encoded(&last));
            let path =
                format!("/v1/objects/counter?active=true&limit=2&prefix={prefix}&after={last}");
            let page = send(node.request(Method::GET, &path)).await.json();
            assert_eq!(page["unanswered"], json!([]), "{page}");
            keys.extend(page["keys"].as_array().unwrap().iter().cloned());
            after = page["next"].as_str().map(str::to_owned);
        }
        assert_eq!(keys, expected);
        let path = "/v1/objects/counter?active=true";
        let own = send(node.request(Method::GET, path).header("highlander-hops", "1"));
        assert_eq!(own.await.json()["keys"].as_array().map(Vec::len), Some(1));
    }
    let stopped = nodes.pop().unwrap();
    drop(stopped.stage);
    stopped.serving.await.unwrap();
    let page = send(nodes[0].request(Method::GET, "/v1/objects/counter?active=true")).await.json();
    assert_eq!(page["unanswered"], json!(["c"]), "{page}");
    assert_eq!(page["keys"].as_array().map(Vec::len), Some(2));
    stopped.place.session.session.end();
    let page = send(nodes[0].request(Method::GET, "/v1/objects/counter?active=true")).await.json();
    assert_eq!((&page["unanswered"], page["keys"].as_array().map(Vec::len)), (&json!([]), Some(2)));
    nodes[0].place.session.session.end();
    let alone = send(nodes[0].request(Method::GET, "/v1/objects/counter?active=true")).await;
    assert_eq!(alone.json()["code"], "registry-unavailable");
}
