//! All hostile components and requests of the corpus against one node: each ends as expected, and the node goes on.

use std::fmt::Write as _;

use highlander_tests::client::Client;
use highlander_tests::corpus::{self, Expected, HostileComponent, Outcome, Step};
use highlander_tests::node::{Node, Options};
use highlander_tests::reply::Reply;
use highlander_tests::wait;
use reqwest::Method;

/// Memory of all objects.
const TOTAL: usize = 256 << 20;
/// Memory of the rest of the node.
const REST: usize = 256 << 20;
/// Guests that the corpus calls.
const GUESTS: [&str; 4] = ["counter", "interacting", "malformed-replies", "misbehaving"];

/// Returns a node with low limits. Its guests were compiled within the default limits.
async fn node() -> Node {
    drop(Node::with_guests(&GUESTS).await);
    let options = Options::new()
        .with("sandbox.compile_time_max", "2s")
        .with("sandbox.compile_memory_max", "384MiB")
        .with("sandbox.cpu_max", "200ms")
        .with("sandbox.memory_max", "32MiB")
        .with("sandbox.memory_total", "256MiB")
        .with("objects.quarantine_after", "1000");
    Node::start_with(options, &GUESTS).await
}

/// A counter that must be answered at any time.
struct Neighbour {
    client: Client,
    number: u64,
}

impl Neighbour {
    /// Runs an attack, and calls the counter at the same time and afterwards.
    async fn beside<T>(&mut self, attack: impl Future<Output = T>) -> T {
        let client = self.client.clone();
        let (result, number) = tokio::join!(attack, client.increment("counter/neighbour"));
        assert_eq!(number, self.number + 1);
        assert_eq!(client.increment("counter/neighbour").await, self.number + 2);
        assert_eq!(client.get("/healthz").send().await.status, 200);
        self.number += 2;
        result
    }
}

#[tokio::test]
async fn the_corpus_harms_its_senders_alone() {
    let node = node().await;
    let client = node.client();
    let mut neighbour = Neighbour { client: client.clone(), number: 0 };
    let mut failures = String::new();
    for component in corpus::components() {
        let attack = check_component(&client, &component);
        if let Err(actual) = neighbour.beside(attack).await {
            let HostileComponent { name, purpose, .. } = &component;
            let _ = writeln!(failures, "{name} ({purpose}): {actual}");
        }
        check_memory(&node, component.name);
    }
    let descriptors = node.descriptor_count();
    for request in corpus::requests() {
        let answers = neighbour.beside(request.run(node.url())).await;
        let other = answers.iter().find(|answer| !answer.is_as(&request.expected));
        if let Some(other) = other {
            let _ = writeln!(failures, "{} ({}): {other:?}", request.name, request.purpose);
        }
        assert_eq!(client.value("counter/smuggled").await, 0, "{}", request.name);
        check_memory(&node, request.name);
    }
    assert!(failures.is_empty(), "entries with another outcome:\n{failures}");
    wait::until("all connections are closed", async || node.descriptor_count() <= descriptors)
        .await;
    wait::until("no compiler runs", async || node.children().is_empty()).await;
    assert!(client.is_ready().await);
}

fn check_memory(node: &Node, entry: &str) {
    let bytes = node.rss();
    assert!(bytes < TOTAL + REST, "{} MiB after {entry}", bytes >> 20);
}

/// Returns the actual outcome if it is not the expected one.
async fn check_component(client: &Client, component: &HostileComponent) -> Result<(), String> {
    let uploaded = match component.component() {
        None => None,
        Some(wasm) => Some(upload(client, wasm).await),
    };
    match (&component.expected, &uploaded) {
        (Expected::Refused(outcome), Some(reply)) => check(reply, std::slice::from_ref(outcome)),
        (_, Some(reply)) if reply.status != 201 => Err(format!("not deployed: {}", reply.text())),
        (Expected::Refused(_), None) => Err("a call of a guest cannot be refused".to_owned()),
        (Expected::Steps(steps), _) => {
            let mut result = Ok(());
            for (step, outcomes) in steps {
                result = result.and(check(&take(client, step).await, outcomes));
            }
            if let Some(type_name) = component.type_name() {
                remove(client, type_name).await;
            }
            result
        }
    }
}

/// Uploads a component, and again while the machine is too busy to compile it.
async fn upload(client: &Client, wasm: Vec<u8>) -> Reply {
    let mut last = None;
    wait::until("the machine has time to compile", async || {
        last.insert(client.upload(wasm.clone()).await).status != 429
    })
    .await;
    last.unwrap()
}

async fn take(client: &Client, step: &Step) -> Reply {
    match step {
        Step::Call { object, handler, argument } => {
            client.call(object, handler).body(argument.clone()).send().await
        }
        Step::Deactivate { object } => client.call(object, "deactivate").send().await,
    }
}

fn check(reply: &Reply, outcomes: &[Outcome]) -> Result<(), String> {
    let text = reply.text();
    let is_as = |outcome: &Outcome| {
        let has_code = match outcome.code.as_str() {
            "done" => reply.status == 200,
            code => reply.status >= 400 && reply.json()["code"] == code,
        };
        if has_code && outcome.code != "done" {
            reply.problem(&outcome.code);
        }
        has_code && text.contains(&outcome.part)
    };
    if outcomes.iter().any(is_as) {
        return Ok(());
    }
    Err(format!("{} {text:.600}", reply.status))
}

/// Removes a type with its objects, so that its alarms and messages end.
async fn remove(client: &Client, type_name: &str) {
    let path = format!("/v1/types/{type_name}?force=true");
    let _ = client.request(Method::DELETE, &path).send().await.done();
}
