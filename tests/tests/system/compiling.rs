//! Compilation in a child process: a component that takes too much time or memory is rejected, without effect on
//! calls.
//!
//! The tests find the children in `/proc`, as an operator would.

use std::fs;
use std::time::Duration;

use highlander_tests::client::Client;
use highlander_tests::corpus::compile_bomb::compile_bomb;
use highlander_tests::iterations::{is_soak, iterations};
use highlander_tests::node::{Node, Options};
use highlander_tests::reply::Reply;
use highlander_tests::{artifacts, wait};
use rustix::process::Signal;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Bound of a rejection: the default time limit of a compilation, and the time that a child needs to exit.
const REFUSAL_MAX: Duration = Duration::from_secs(30);

/// Attempts to upload a component while the node reports that its machine is too busy to compile.
const UPLOADS_MAX: u32 = 10;

/// Returns 20 KB that take about a minute of CPU time, and 400 MiB.
fn slow() -> Vec<u8> {
    compile_bomb(500, 1_000)
}

/// Returns 60 KB that take more than 2 GiB.
fn large() -> Vec<u8> {
    compile_bomb(1_000, 3_000)
}

/// Returns the slow component with another digest: with a custom section of this name.
fn slow_with(name: u8) -> Vec<u8> {
    let mut wasm = slow();
    wasm.extend([0, 2, 1, name]);
    wasm
}

fn upload(client: &Client, wasm: Vec<u8>) -> JoinHandle<Reply> {
    let client = client.clone();
    tokio::spawn(async move { client.upload(wasm).await })
}

/// An object of two components that call each other, each with a separate memory.
const COMPOSED: &str = include_str!("../../../host/wasmtime/src/tests/composed.wat");

/// Returns this object with a schema of its state that is nested to this depth.
fn with_nested_schema(depth: usize) -> Vec<u8> {
    with_schema(&format!("{}true{}", "{\"not\":".repeat(depth), "}".repeat(depth)))
}

/// Returns this object with another schema of its state.
fn with_schema(schema: &str) -> Vec<u8> {
    let length = schema.len();
    let schema = schema.replace('"', "\\22");
    let bytes: String =
        u32::try_from(length).unwrap().to_le_bytes().map(|byte| format!("\\{byte:02x}")).concat();
    // The component's reference to `true` as the schema of the state, by offset and length.
    let named = r#""\08\00\00\00\10\00\00\00" "\18\00\00\00\04\00\00\00""#;
    assert_eq!(COMPOSED.matches(named).count(), 1);
    let other = format!(r#""\08\00\00\00\10\00\00\00" "\00\10\00\00{bytes}""#);
    let text = COMPOSED.replace(named, &other);
    let begin = r#"(data (i32.const 0) "composed"#;
    let text = text.replace(begin, &format!(r#"(data (i32.const 4096) "{schema}") {begin}"#));
    wat::parse_str(text).unwrap()
}

/// Returns the compiling child, once it has sandboxed itself.
async fn compiler_of(node: &Node) -> u32 {
    let mut found = None;
    wait::until("a child compiles", async || {
        found = node
            .children()
            .pop()
            .filter(|child| field(*child, "status", "Seccomp:").is_some_and(|mode| mode == "2"));
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// Returns the value of a field in a process's file in `/proc`.
fn field(process: u32, file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
}

fn memory_kib(process: u32) -> u64 {
    let text = field(process, "status", "VmRSS:").unwrap();
    text.trim_end_matches(" kB").parse().unwrap()
}

fn options(time_max: &str, memory_max: &str) -> Options {
    Options::new()
        .with("sandbox.compile_time_max", time_max)
        .with("sandbox.compile_memory_max", memory_max)
}

/// Calls a counter of another type, and records the response times and the node's memory use.
struct Calls<'a> {
    node: &'a Node,
    client: Client,
    number: u64,
    times: Vec<Duration>,
    most_kib: u64,
}

impl<'a> Calls<'a> {
    fn new(node: &'a Node) -> Self {
        Self { node, client: node.client(), number: 0, times: Vec::new(), most_kib: 0 }
    }

    async fn call(&mut self) {
        let began = Instant::now();
        self.number += 1;
        assert_eq!(self.client.increment("counter/a").await, self.number);
        self.times.push(began.elapsed());
        self.most_kib = self.most_kib.max(memory_kib(self.node.process_id()));
    }

    /// Returns the 50th and 99th percentile of the response times since the last call.
    fn take_percentiles(&mut self) -> [Duration; 2] {
        let mut times = std::mem::take(&mut self.times);
        times.sort_unstable();
        [50, 99].map(|percent| times[times.len() * percent / 100])
    }
}

/// Uploads a component, and calls a counter until the node has answered. A node whose compiler gets no processor time
/// says so without a verdict; the upload is repeated then.
async fn upload_beside(calls: &mut Calls<'_>, wasm: Vec<u8>) -> Reply {
    for _ in 0..UPLOADS_MAX {
        let uploading = upload(&calls.client, wasm.clone());
        while !uploading.is_finished() {
            calls.call().await;
        }
        let reply = uploading.await.unwrap();
        if reply.status != 429 {
            return reply;
        }
        eprintln!("{}", String::from_utf8_lossy(&reply.body));
    }
    panic!("the machine was too busy to compile, {UPLOADS_MAX} times");
}

/// Uploads a component that must exceed this limit, and calls a counter throughout.
async fn check_bomb(bomb: Vec<u8>, options: Options, limit: &str) {
    let node = Node::start_with(options, &["counter"]).await;
    let mut calls = Calls::new(&node);
    for _ in 0..iterations(200, 3_000) {
        calls.call().await;
    }
    let (before, before_kib) = (calls.take_percentiles(), calls.most_kib);
    let began = Instant::now();
    let problem = upload_beside(&mut calls, bomb).await.problem("component-refused");
    let took = began.elapsed();
    let (count, meanwhile) = (calls.times.len(), calls.take_percentiles());
    let grown_kib = calls.most_kib - before_kib;
    let detail = problem["detail"].as_str().unwrap();
    let times = meanwhile[1].as_secs_f64() / before[1].as_secs_f64();
    eprintln!("{detail}, after {took:.1?}; {count} calls at the same time, {grown_kib} KiB more");
    eprintln!("p50 and p99 before {before:.1?}, during {meanwhile:.1?}: p99 {times:.2} times");
    assert!(detail.contains(limit), "{limit:?} in {detail:?}");
    // A busy machine may take longer.
    assert!(!is_soak() || took < REFUSAL_MAX, "the rejection took {took:?}");
    assert!(count > 10, "too few calls of the counter were answered");
    assert!(grown_kib < 50 << 10, "the node grew from {before_kib} KiB by {grown_kib}");
    assert!(node.children().is_empty(), "the child still runs");
    node.client().deploy("todo").await;
}

#[tokio::test]
async fn a_composed_component_is_compiled_and_called() {
    let node = Node::start(Options::new()).await;
    let client = node.client();
    let wasm = wat::parse_str(COMPOSED).unwrap();
    assert_eq!(client.upload(wasm).await.status, 201);
    let reply = client.call("composed/a", "echo").json(serde_json::json!(21)).send().await.done();
    assert_eq!(reply.json(), 2121);
    let _ = client.call("composed/a", "grow").send().await.problem("memory-exceeded");
    let reply = client.call("composed/a", "echo").json(serde_json::json!(4)).send().await.done();
    assert_eq!(reply.json(), 44);
}

#[tokio::test]
async fn a_schema_that_is_nested_too_deeply_is_refused_and_harms_no_other_type() {
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    assert_eq!(client.upload(with_nested_schema(48)).await.status, 201);
    for depth in [49, 121, 124, 130] {
        let problem = client.upload(with_nested_schema(depth)).await.problem("component-refused");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("{depth} levels")), "{detail}");
    }
    for path in ["/v1/types", "/v1/types/composed", "/v1/openapi.json"] {
        let shown = client.get(path).send().await.done();
        assert!(String::from_utf8_lossy(&shown.body).contains("composed"), "{path}");
    }
    assert_eq!(client.increment("counter/a").await, 1);
}

/// Each level of the schema has the next one twice.
#[tokio::test]
async fn schemas_that_take_too_long_to_compare_are_refused_and_harm_no_other_type() {
    let doubled = |leaf: &str| {
        let level = |level: usize| {
            let next = format!("{{\"$ref\":\"#/$defs/{}\"}}", level + 1);
            format!("\"{level}\":{{\"anyOf\":[{next},{next}]}},")
        };
        let levels: String = (0..40).map(level).collect();
        with_schema(&format!("{{\"$ref\":\"#/$defs/0\",\"$defs\":{{{levels}\"40\":{leaf}}}}}"))
    };
    let node = Node::with_guests(&["counter"]).await;
    let client = node.client();
    assert_eq!(client.upload(doubled("true")).await.status, 201);
    let uploads: Vec<_> = (0..20)
        .map(|number| upload(&client, doubled(&format!("{{\"title\":\"{number}\"}}"))))
        .collect();
    let mut count = 0;
    for upload in uploads {
        let reply = upload.await.unwrap();
        // One client has no more than 16 places in the compiler's queue.
        if reply.status == 429 {
            reply.problem("compile-queue-full");
            continue;
        }
        let problem = reply.problem("component-refused");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("more than 100000 steps"), "{detail}");
        count += 1;
        assert_eq!(client.increment("counter/a").await, count);
    }
    assert!(count >= 16, "{count}");
}

/// A soak uses the default limit of nodes.
#[tokio::test]
async fn what_takes_too_long_to_compile_is_refused() {
    let seconds = iterations(5, 30);
    let time_max = format!("{seconds}s");
    let limit = format!("{time_max} (sandbox.compile_time_max)");
    check_bomb(slow(), options(&time_max, "4GiB"), &limit).await;
}

#[tokio::test]
async fn what_takes_too_much_memory_to_compile_is_refused() {
    check_bomb(large(), options("2m", "384MiB"), "384.0 MiB (sandbox.compile_memory_max)").await;
}

#[tokio::test]
async fn a_compiler_has_nothing_but_its_component_and_little_of_the_machine() {
    // A descriptor that every process started from here inherits: the node and its children.
    let _inherited = rustix::io::dup(std::io::stdin()).unwrap();
    let node = Node::start(options("20s", "768MiB")).await;
    let uploading = upload(&node.client(), slow());
    let child = compiler_of(&node).await;
    let mut descriptors: Vec<_> = fs::read_dir(format!("/proc/{child}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    descriptors.sort();
    assert_eq!(descriptors, ["0", "1", "2"]);
    let environment = fs::read_to_string(format!("/proc/{child}/environ")).unwrap();
    let names = environment.split_terminator('\0').filter_map(|pair| pair.split('=').next());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["RAYON_NUM_THREADS", "RUST_MIN_STACK", "_RJEM_MALLOC_CONF"]
    );
    let limit = |name| {
        let values = field(child, "limits", name).unwrap();
        values.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let memory_max = (768 << 20).to_string();
    assert_eq!(limit("Max address space"), [memory_max.as_str(), &memory_max]);
    assert_eq!(limit("Max cpu time"), ["20", "21"]);
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    assert_eq!(limit("Max open files"), ["3", "3"]);
    assert_eq!(field(child, "status", "NoNewPrivs:").unwrap(), "1");
    let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
    let nice = stat.rsplit(") ").next().unwrap().split(' ').nth(16);
    assert!(nice.is_some_and(|nice| nice.parse::<i32>().unwrap() >= 10), "{stat}");
    drop(node);
    uploading.abort();
}

#[tokio::test]
async fn a_compiler_ends_with_its_node() {
    let mut node = Node::start(options("2m", "4GiB")).await;
    let client = node.client();
    let request = client.request(reqwest::Method::POST, "/v1/types");
    let request = request.header("content-type", "application/wasm").body(slow());
    let uploading = tokio::spawn(request.try_send());
    let child = compiler_of(&node).await;
    node.kill9();
    wait::until("the compiler is gone", async || {
        fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| stat.contains(") Z "))
            || !fs::exists(format!("/proc/{child}")).unwrap()
    })
    .await;
    assert!(uploading.await.unwrap().is_err());
}

#[tokio::test]
async fn one_client_cannot_fill_the_queue_and_takes_its_uploads_along() {
    let node = Node::start_with(options("2m", "4GiB"), &["counter"]).await;
    let client = node.client();
    let waiting = async || {
        let metric = "highlander_compilations_waiting{class=\"upload\"}";
        node.client().metric(metric).await
    };
    let uploads: Vec<_> = (b'a'..b'q').map(|name| upload(&client, slow_with(name))).collect();
    wait::until("one is compiled, and 15 wait", async || waiting().await > 14.5).await;
    let full = client.upload(slow_with(b'q')).await;
    assert_eq!(full.header("retry-after"), "5");
    let problem = full.problem("compile-queue-full");
    assert!(problem["detail"].as_str().unwrap().contains("of the same caller"), "{problem}");
    let compiler = compiler_of(&node).await;
    for upload in uploads {
        upload.abort();
    }
    wait::until("the queue is empty", async || waiting().await < 0.5).await;
    wait::until("the compiler has ended", async || !node.children().contains(&compiler)).await;
    client.deploy("todo").await;
    // The node counts it after the child has ended.
    wait::until("the compilation counts as abandoned", async || {
        let metrics = client.get("/metrics").send().await.done().text();
        metrics.contains("highlander_compilations_total{outcome=\"abandoned\"} 1")
    })
    .await;
}

/// An external kill of the compiler is not the component's fault.
#[tokio::test]
async fn a_compiler_that_is_killed_is_an_internal_error() {
    let node = Node::start(options("2m", "4GiB")).await;
    let uploading = upload(&node.client(), slow());
    let child = compiler_of(&node).await;
    let child = rustix::process::Pid::from_raw(child.cast_signed()).unwrap();
    rustix::process::kill_process(child, Signal::KILL).unwrap();
    let problem = uploading.await.unwrap().problem("internal");
    assert!(problem["detail"].as_str().unwrap().contains("signal: 9"), "{problem}");
    let failed = node.client().metric("highlander_compilations_total{outcome=\"failed\"}").await;
    assert!((failed - 1.0).abs() < 0.1, "{failed}");
    node.client().deploy("counter").await;
}

#[tokio::test]
async fn what_was_compiled_is_not_compiled_again() {
    let mut node = Node::start_with(Options::new().compiling(), &["counter", "todo"]).await;
    let compiled =
        async |node: &Node| node.client().metric("highlander_compilation_seconds_count").await;
    assert!((compiled(&node).await - 2.0).abs() < 0.1);
    assert_eq!(node.client().increment("counter/a").await, 1);
    node.terminate().await;
    node.restart().await;
    assert_eq!(node.client().increment("counter/a").await, 2);
    let _ = node.client().upload(artifacts::guest_bytes("todo")).await.done();
    assert!(compiled(&node).await < 0.1);
}
