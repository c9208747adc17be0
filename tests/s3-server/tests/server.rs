//! The guarantees of the server, tested with the official AWS client.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot continue panics with the reason"
)]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use highlander_s3_server::faults::{Fault, Operation, Quirks, Rule};
use highlander_s3_server::{Options, Server};

const BUCKET: &str = "highlander";

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn options(&self) -> Options {
        Options::new(self.dir.path().join("blobs"))
    }

    async fn start(&self) -> Server {
        Server::start(self.options()).await.unwrap()
    }
}

fn client_with(server: &Server, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(server.url())
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::new("highlander-access", secret, None, None, "test"))
        .build();
    Client::from_conf(config)
}

fn client(server: &Server) -> Client {
    client_with(server, "highlander-secret")
}

enum If<'a> {
    Absent,
    Matches(&'a str),
    Always,
}

/// Returns the ETag or the status; 0 without a response.
async fn put(client: &Client, key: &str, bytes: &[u8], condition: If<'_>) -> Result<String, u16> {
    let put = client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(bytes.to_vec()));
    let put = match condition {
        If::Absent => put.if_none_match("*"),
        If::Matches(etag) => put.if_match(etag),
        If::Always => put,
    };
    put.send().await.map(|output| output.e_tag.unwrap_or_default()).map_err(|error| status(&error))
}

async fn get(client: &Client, key: &str) -> Result<Vec<u8>, u16> {
    let output = client.get_object().bucket(BUCKET).key(key).send().await;
    let output = output.map_err(|error| status(&error))?;
    Ok(output.body.collect().await.map_err(|_| 0_u16)?.to_vec())
}

fn status<E>(error: &SdkError<E>) -> u16 {
    error.raw_response().map_or(0, |response| response.status().as_u16())
}

#[tokio::test]
async fn conditions_are_decided_as_aws_decides_them() {
    let place = Place::new();
    let server = place.start().await;
    let client = client(&server);
    assert_eq!(put(&client, "a", b"0", If::Matches("x")).await, Err(404));
    let first = put(&client, "a", b"1", If::Absent).await.unwrap();
    assert_eq!(first, "\"c4ca4238a0b923820dcc509a6f75849b\"", "the MD5 of the bytes, in quotes");
    assert_eq!(put(&client, "a", b"2", If::Absent).await, Err(412));
    assert_eq!(put(&client, "a", b"2", If::Matches("x")).await, Err(412));
    let second = put(&client, "a", b"2", If::Matches(&first)).await.unwrap();
    assert_eq!(put(&client, "a", b"3", If::Matches(&first)).await, Err(412));
    let third = put(&client, "a", b"3", If::Matches(second.trim_matches('"'))).await.unwrap();
    assert_eq!(get(&client, "a").await.unwrap(), b"3");
    let head = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!((head.content_length, head.e_tag), (Some(1), Some(third)));
    client.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(get(&client, "a").await, Err(404));
    assert_eq!(server.request_count(Operation::Put), 7);
}

#[tokio::test]
async fn a_policy_can_demand_conditions() {
    let place = Place::new();
    let server = place.start().await;
    let client = client(&server);
    put(&client, "a", b"1", If::Always).await.unwrap();
    server.faults().set_quirks(Quirks { requires_conditions: true, ..Quirks::default() });
    assert_eq!(put(&client, "a", b"2", If::Always).await, Err(403));
    put(&client, "b", b"2", If::Absent).await.unwrap();
    assert_eq!(server.blob("a").as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn only_who_knows_the_secret_is_served() {
    let place = Place::new();
    let server = place.start().await;
    let stranger = client_with(&server, "guessed");
    assert_eq!(put(&stranger, "a", b"1", If::Absent).await, Err(403));
    assert_eq!(get(&stranger, "a").await, Err(403));
    assert_eq!(server.keys(""), Vec::<String>::new());
}

async fn race(client: &Client, key: &str, round: usize, etag: Option<&str>) -> Vec<String> {
    let racers = (0..16).map(|racer| {
        let (client, key, etag) = (client.clone(), key.to_owned(), etag.map(str::to_owned));
        tokio::spawn(async move {
            let bytes = format!("{round} {racer}");
            let condition = etag.as_deref().map_or(If::Absent, If::Matches);
            put(&client, &key, bytes.as_bytes(), condition).await
        })
    });
    let mut winners = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Ok(etag) => winners.push(etag),
            Err(status) => assert_eq!(status, 412),
        }
    }
    winners
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_sixteen_racing_writers_wins() {
    let place = Place::new();
    let server = place.start().await;
    let client = client(&server);
    let mut etag = None;
    for round in 0..40 {
        let winners = race(&client, "race", round, etag.as_deref()).await;
        assert_eq!(winners.len(), 1, "round {round}");
        etag = winners.into_iter().next();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_racing_quirk_makes_several_winners() {
    let place = Place::new();
    let server = place.start().await;
    server.faults().set_quirks(Quirks { races: 1.0, ..Quirks::default() });
    let client = client(&server);
    let mut etag: Option<String> = None;
    for round in 0..40 {
        let winners = race(&client, "race", round, etag.as_deref()).await;
        if winners.len() > 1 {
            return;
        }
        etag = winners.into_iter().next();
    }
    panic!("without waiting, the server still had one winner in each round");
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let place = Place::new();
    let server = place.start().await;
    let first = client(&server);
    let mut etags = Vec::new();
    for number in 0..20 {
        let key = format!("folder/{number} %20+/ä");
        let etag = put(&first, &key, b"1", If::Absent).await.unwrap();
        etags.push((key.clone(), put(&first, &key, b"2", If::Matches(&etag)).await.unwrap()));
    }
    first.delete_object().bucket(BUCKET).key(&etags[0].0).send().await.unwrap();
    server.stop().await;
    // The file that a process leaves behind if it ends between the temporary file and the rename.
    let blobs = place.options().dir;
    std::fs::write(blobs.join("00000000000000ff.unfinished"), b"{\"key\":\"x\"").unwrap();

    let server = place.start().await;
    let second = client(&server);
    assert_eq!(server.blob(&etags[0].0), None);
    for (key, etag) in &etags[1..] {
        assert_eq!(get(&second, key).await.unwrap(), b"2", "{key}");
        put(&second, key, b"3", If::Matches(etag)).await.unwrap();
    }
    assert_eq!(server.keys("").len(), 19);
    let is_unfinished =
        |path: &std::path::Path| path.extension().is_some_and(|e| e == "unfinished");
    assert!(!std::fs::read_dir(blobs).unwrap().any(|entry| is_unfinished(&entry.unwrap().path())));
}

#[tokio::test]
async fn two_servers_do_not_share_a_folder() {
    let place = Place::new();
    let _first = place.start().await;
    let error = Server::start(place.options()).await.unwrap_err();
    assert!(error.to_string().contains("used by another server"), "{error}");
}

#[tokio::test]
async fn listings_are_paged_in_order() {
    let place = Place::new();
    let server = place.start().await;
    let client = client(&server);
    for number in (0..25).rev() {
        put(&client, &format!("a/{number:02}"), b"", If::Absent).await.unwrap();
    }
    put(&client, "b", b"", If::Absent).await.unwrap();
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let list = client.list_objects_v2().bucket(BUCKET).prefix("a/").start_after("a/03");
        let page = list.max_keys(10).set_continuation_token(token).send().await.unwrap();
        found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        token = page.next_continuation_token;
        assert_eq!(token.is_some(), page.is_truncated == Some(true));
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, (4..25).map(|number| format!("a/{number:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn faults_befall_what_their_rules_name() {
    let place = Place::new();
    let server = place.start().await;
    let client = client(&server);
    let faults = server.faults();
    faults.add(Rule::new(Fault::Refuse(503, "SlowDown")).on(Operation::Put).key_with("a").times(1));
    faults.add(Rule::new(Fault::LoseRequest).on(Operation::Put).key_with("a").times(1));
    faults.add(Rule::new(Fault::LoseAnswer).on(Operation::Put).key_with("a").times(1));
    put(&client, "b", b"1", If::Absent).await.unwrap();
    assert_eq!(put(&client, "a", b"1", If::Absent).await, Err(503));
    assert_eq!(put(&client, "a", b"1", If::Absent).await, Err(0));
    assert_eq!(server.blob("a"), None);
    assert_eq!(put(&client, "a", b"1", If::Absent).await, Err(0));
    assert_eq!(server.blob("a").as_deref(), Some(&b"1"[..]));
    assert_eq!(put(&client, "a", b"1", If::Absent).await, Err(412));

    faults.add(Rule::new(Fault::FlipBit(0)).on(Operation::Get).times(1));
    faults.add(Rule::new(Fault::Truncate(0)).on(Operation::Get).times(1));
    faults.add(Rule::new(Fault::Refuse(500, "InternalError")).on(Operation::Get).times(1));
    assert_eq!(get(&client, "a").await.unwrap(), b"0");
    assert_eq!(get(&client, "a").await, Err(0));
    assert_eq!(get(&client, "a").await, Err(500));
    assert_eq!(get(&client, "a").await.unwrap(), b"1");
}

#[tokio::test]
async fn a_held_write_takes_place_after_its_client_has_gone() {
    let place = Place::new();
    let server = place.start().await;
    let client = client(&server);
    let faults = server.faults();
    faults.add(Rule::new(Fault::Hold).on(Operation::Put).times(1));
    let held = {
        let client = client.clone();
        tokio::spawn(async move { put(&client, "a", b"late", If::Absent).await })
    };
    faults.wait_for_held(1).await;
    held.abort();
    put(&client, "b", b"meanwhile", If::Absent).await.unwrap();
    assert_eq!(server.blob("a"), None);
    faults.release();
    let blobs = tokio::time::timeout(Duration::from_secs(20), async {
        while server.blob("a").is_none() {
            tokio::task::yield_now().await;
        }
    });
    blobs.await.unwrap();
}

#[tokio::test]
async fn a_write_that_is_held_when_the_server_ends_never_takes_place() {
    let place = Place::new();
    let server = place.start().await;
    let faults = server.faults();
    faults.add(Rule::new(Fault::Hold).on(Operation::Put).times(1));
    let writer = client(&server);
    let held = tokio::spawn(async move { put(&writer, "a", b"late", If::Absent).await });
    faults.wait_for_held(1).await;
    server.stop().await;
    faults.release();
    assert!(held.await.unwrap().is_err());
    assert_eq!(place.start().await.blob("a"), None);
}

#[tokio::test]
async fn a_seed_repeats_what_came_by_chance() {
    let drawn = async |seed| {
        let place = Place::new();
        let options = Options { seed, ..place.options() };
        let server = Server::start(options).await.unwrap();
        let client = client(&server);
        let fault = Fault::Refuse(500, "InternalError");
        server.faults().add(Rule::new(fault).on(Operation::Get).with_chance(0.5));
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(get(&client, "a").await.unwrap_err());
        }
        statuses
    };
    let first = drawn(7).await;
    assert_eq!(first, drawn(7).await);
    assert_eq!(first.iter().copied().collect::<HashSet<_>>(), HashSet::from([404, 500]));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_find_whole_blobs_while_they_are_written() {
    let place = Place::new();
    let server = Arc::new(place.start().await);
    let writer = client(&server);
    let reader = client(&server);
    put(&writer, "a", &[0; 100], If::Absent).await.unwrap();
    let writing = tokio::spawn(async move {
        for number in 1..100 {
            put(&writer, "a", &[number; 100], If::Always).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let bytes = get(&reader, "a").await.unwrap();
        assert_eq!(bytes, [bytes[0]; 100]);
    }
    writing.await.unwrap();
}
