//! Todos of two schemas, ten thousand in a soak: old and new ones are read after a deployment, after its
//! roll-back, and after a second deployment (guarantee S9). The duration of each step is printed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use highlander_tests::client::Request;
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;
use highlander_tests::reply::Reply;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Number of concurrent calls.
const AT_ONCE: usize = 24;

/// Todos by number; the content of each follows from its number and from the steps done.
struct Todos {
    cluster: Cluster,
    /// Number of todos stored by the first revision, with numbers from 0.
    old_count: usize,
    /// Number of todos stored by the second revision, with the next numbers.
    new_count: usize,
    /// Last step applied to a part of the old todos.
    done: Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Done {
    Stored,
    /// Todos with [`Todos::is_advanced`], changed by the second revision.
    Advanced,
    /// Todos with [`Todos::is_completed`], changed by the first revision after the roll-back.
    Completed,
}

impl Todos {
    /// Whether the second revision wrote the todo, so that only this revision can read it.
    fn is_newer(&self, number: usize) -> bool {
        number >= self.old_count || (self.done >= Done::Advanced && self.is_advanced(number))
    }

    fn is_advanced(&self, number: usize) -> bool {
        number < self.old_count && number.is_multiple_of(10)
    }

    fn is_completed(&self, number: usize) -> bool {
        number < self.old_count && number % 10 == 1
    }

    fn all(&self) -> std::ops::Range<usize> {
        0..self.old_count + self.new_count
    }

    fn given(number: usize) -> Value {
        let color = ["red", "yellow", "green", "blue"][number % 4];
        let is_done = number.is_multiple_of(3);
        json!({ "title": format!("todo {number}"), "completed": is_done, "color": color })
    }

    /// Returns the expected reply of `get` and the revision that runs, while `current` is the current one.
    fn expected(&self, number: usize, current: u64) -> (Value, u64) {
        let mut shown = Self::given(number);
        if self.done >= Done::Advanced && self.is_advanced(number) {
            shown["completed"] = json!(false);
        }
        if self.done >= Done::Completed && self.is_completed(number) {
            shown["completed"] = json!(true);
        }
        let by = if self.is_newer(number) { 2 } else { current };
        if by == 2 {
            let has_notes = self.is_newer(number);
            shown["notes"] = if has_notes { json!([format!("note {number}")]) } else { json!([]) };
        }
        (shown, by)
    }

    /// Makes a request for each of these todos, through all nodes in turn, and returns the responses with their
    /// numbers.
    async fn each(
        &self,
        what: &str,
        numbers: impl IntoIterator<Item = usize>,
        ask: impl Fn(&highlander_tests::client::Client, &str, usize) -> Request,
    ) -> Vec<(usize, Reply)> {
        let began = Instant::now();
        let clients: Vec<_> = (0..3).map(|node| self.cluster.client(node)).collect();
        let calls = numbers.into_iter().map(|number| {
            let request = ask(&clients[number % 3], &format!("todo/{number}"), number);
            async move { (number, request.send().await.done()) }
        });
        let calls: Vec<_> = calls.collect();
        let replies: Vec<_> = stream::iter(calls).buffer_unordered(AT_ONCE).collect().await;
        eprintln!("{what}: {} in {:.1?}", replies.len(), began.elapsed());
        replies
    }

    /// Reads every todo through one of the nodes, and compares its content and the revision that ran.
    async fn check(&self, what: &str, current: u64) {
        let read =
            self.each(what, self.all(), |client, object, _| client.object(Method::GET, object));
        for (number, reply) in read.await {
            let expected = self.expected(number, current);
            assert_eq!((reply.json(), reply.revision()), expected, "todo/{number}, {what}");
        }
        let newer = self.all().filter(|number| self.is_newer(*number));
        let progress =
            self.each("their progress", newer, |client, object, _| client.call(object, "progress"));
        for (number, reply) in progress.await {
            let percent = if number < self.old_count || number % 3 != 0 { 40 } else { 100 };
            assert_eq!((reply.json(), reply.revision()), (json!(percent), 2), "todo/{number}");
        }
    }

    /// Returns the description of the type from one node.
    async fn shown(&self, node: usize) -> Value {
        self.cluster.client(node).get("/v1/types/todo").send().await.done().json()
    }

    /// Unloads every second todo, so that half of them are active and half are cold.
    async fn deactivate_half(&self) {
        let numbers = self.all().filter(|number| number % 2 == 1);
        let _ = self
            .each("made files", numbers, |client, object, _| client.call(object, "deactivate"))
            .await;
    }

    /// Changes some of the old todos with the second revision, and creates the new ones.
    async fn write_newer(&mut self) {
        let new = self.old_count..self.old_count + self.new_count;
        let put = |number| Self::given(number);
        let _ = self
            .each("new ones", new.clone(), |client, object, number| {
                client.object(Method::PUT, object).json(put(number))
            })
            .await;
        self.done = Done::Advanced;
        let newer: Vec<_> = self.all().filter(|number| self.is_newer(*number)).collect();
        let undone = newer.iter().copied().filter(|n| *n < self.old_count || n % 3 != 0);
        let advance = self.each("advanced", undone, |client, object, _| {
            client.call(object, "advance").json(json!(40))
        });
        let _ = advance.await;
        let note = self.each("noted", newer, |client, object, number| {
            client.call(object, "note").json(json!(format!("note {number}")))
        });
        let _ = note.await;
    }
}

async fn todos() -> Todos {
    let options = ClusterOptions::new().session(Duration::from_secs(10)).guests(&["todo"]);
    let count = usize::try_from(iterations(300, 10_000)).unwrap();
    let new_count = count / 20;
    let cluster = Cluster::start(options).await;
    let todos = Todos { cluster, old_count: count - new_count, new_count, done: Done::Stored };
    let put = todos.each("stored", 0..todos.old_count, |client, object, number| {
        client.object(Method::PUT, object).json(Todos::given(number))
    });
    assert!(put.await.iter().all(|(_, reply)| reply.revision() == 1));
    todos
}

#[tokio::test]
async fn todos_old_and_new_are_read_after_a_swap_a_roll_back_and_another_swap() {
    let mut todos = todos().await;
    todos.deactivate_half().await;
    let began = Instant::now();
    assert_eq!(todos.cluster.client(1).deploy("todo-v2").await, 2);
    eprintln!("swapped in {:.1?}", began.elapsed());
    // The new todos do not exist yet.
    let new_count = std::mem::take(&mut todos.new_count);
    todos.check("read after the swap", 2).await;
    todos.new_count = new_count;
    todos.write_newer().await;
    todos.check("read after changes", 2).await;
    todos.deactivate_half().await;

    let began = Instant::now();
    let back = todos.cluster.client(2).request(Method::POST, "/v1/types/todo/rollback");
    assert_eq!(back.send().await.done().json()["revision"], 1);
    eprintln!("rolled back in {:.1?}", began.elapsed());
    todos.check("read after the roll-back", 1).await;
    let newer: BTreeSet<_> =
        todos.all().filter(|number| todos.is_newer(*number)).map(|n| n.to_string()).collect();
    for node in 0..3 {
        let shown = todos.shown(node).await;
        let pinned = shown["pinned"].as_object().expect("keys and reasons");
        assert_eq!(pinned.keys().cloned().collect::<BTreeSet<_>>(), newer, "by node {node}");
        for (key, why) in pinned {
            assert!(why.as_str().unwrap().contains("newer schema"), "{key}: {why}");
        }
        let live = [0, 1].map(|index| shown["revisions"][index]["live_objects"].as_u64().unwrap());
        assert_eq!(live, [(todos.all().len() - newer.len()) as u64, newer.len() as u64]);
    }
    let completed = todos.all().filter(|number| todos.is_completed(*number));
    let complete =
        todos.each("completed", completed, |client, object, _| client.call(object, "complete"));
    assert!(complete.await.iter().all(|(_, reply)| reply.revision() == 1));
    todos.done = Done::Completed;
    todos.deactivate_half().await;

    let began = Instant::now();
    let forward = todos.cluster.client(0).request(Method::POST, "/v1/types/todo/rollback?to=2");
    assert_eq!(forward.send().await.done().json()["revision"], 2);
    eprintln!("rolled forward in {:.1?}", began.elapsed());
    todos.check("read after the second swap", 2).await;
    let shown = todos.shown(1).await;
    assert_eq!((&shown["current"], &shown["pinned"]), (&json!(2), &json!({})));
}
