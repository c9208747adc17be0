//! The S3 store against two servers: our own, with scripted faults and quirks, and ministack, an independent one.
//!
//! `HIGHLANDER_ROUNDS` sets the number of race rounds; the default is small. ministack is required, unless
//! `HIGHLANDER_SKIP_MINISTACK` is set.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot continue fails with the reason"
)]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use highlander_core::store::{Blob, Condition, ETag, Error, PutOutcome, Store};
use highlander_s3::{AccessKey, ConnectError, Options, S3, probe};
use highlander_s3_server as server;
use highlander_s3_server::Server;
use highlander_s3_server::faults::{Fault, Faults, Operation, Quirks, Rule};
use highlander_services::ministack::Ministack;

const BUCKET: &str = "highlander";
/// Long enough for a loaded machine, and short enough to wait for once in a test.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
const SHORT_TIMEOUT: Duration = Duration::from_millis(300);

struct Place {
    server: Server,
    dir: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(server_options(&dir)).await.unwrap();
        Self { server, dir }
    }

    fn faults(&self) -> Faults {
        self.server.faults()
    }

    fn add(&self, fault: Fault, operation: Operation) {
        self.faults().add(Rule::new(fault).on(operation).times(1));
    }

    fn options(&self) -> Options {
        options(&self.server.url())
    }

    async fn store(&self) -> Arc<S3> {
        connect(self.options()).await
    }
}

fn server_options(dir: &tempfile::TempDir) -> server::Options {
    server::Options::new(dir.path().join("blobs"))
}

fn options(url: &str) -> Options {
    Options {
        bucket: BUCKET.to_owned(),
        prefix: "some/folder".to_owned(),
        endpoint: Some(url.to_owned()),
        region: None,
        path_style: true,
        request_timeout: REQUEST_TIMEOUT,
    }
}

async fn connect(options: Options) -> Arc<S3> {
    let key =
        AccessKey { id: "highlander-access".to_owned(), secret: "highlander-secret".to_owned() };
    Arc::new(S3::connect_with_key(options, key).await.unwrap())
}

async fn put(store: &S3, name: &str, bytes: &'static str, condition: Condition) -> PutOutcome {
    store.put(name, Bytes::from_static(bytes.as_bytes()), condition).await
}

async fn make(store: &S3, name: &str, bytes: &'static str) -> ETag {
    match put(store, name, bytes, Condition::Absent).await {
        PutOutcome::Applied(etag) => etag,
        other => panic!("{other:?}"),
    }
}

async fn read(store: &S3, name: &str) -> Option<Bytes> {
    store.get(name).await.unwrap().map(|blob| blob.bytes)
}

fn round_count(default: usize) -> usize {
    std::env::var("HIGHLANDER_ROUNDS")
        .map_or(default, |text| text.parse().expect("a number of rounds"))
}

/// Returns `None` if the run skips ministack.
async fn ministack() -> Option<(Ministack, Arc<S3>)> {
    if std::env::var_os("HIGHLANDER_SKIP_MINISTACK").is_some() {
        eprintln!("skipping ministack, because HIGHLANDER_SKIP_MINISTACK is set");
        return None;
    }
    let ministack = Ministack::start(BUCKET).await.unwrap();
    let store = connect(options(&ministack.url())).await;
    Some((ministack, store))
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_conforms() {
    let place = Place::new().await;
    let store = place.store().await;
    highlander_testing::store::check(store).await;
    assert!(place.server.keys("").iter().all(|key| key.starts_with("some/folder/conformance/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_conforms() {
    if let Some((_ministack, store)) = ministack().await {
        highlander_testing::store::check(store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_decides_races() {
    let place = Place::new().await;
    highlander_testing::store::check_races(place.store().await, round_count(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_decides_races() {
    if let Some((_ministack, store)) = ministack().await {
        assert_eq!(probe::check_rounds(&*store, 20).await, Ok(()));
        highlander_testing::store::check_races(store, round_count(40)).await;
    }
}

#[tokio::test]
async fn what_was_written_survives_the_server() {
    let Place { server, dir } = Place::new().await;
    let store = connect(options(&server.url())).await;
    let etag = make(&store, "a.json", "1").await;
    server.stop().await;
    let server = Server::start(server_options(&dir)).await.unwrap();
    let store = connect(options(&server.url())).await;
    let expected = Blob { bytes: Bytes::from_static(b"1"), etag: etag.clone() };
    assert_eq!(store.get("a.json").await, Ok(Some(expected)));
    assert!(matches!(
        put(&store, "a.json", "2", Condition::Matches(etag)).await,
        PutOutcome::Applied(_)
    ));
}

#[tokio::test]
async fn faults_of_a_write_that_may_have_taken_place_are_undecided() {
    let place = Place::new().await;
    let store = place.store().await;
    for (fault, is_applied) in [
        (Fault::Refuse(409, "ConditionalRequestConflict"), false),
        (Fault::Refuse(500, "InternalError"), false),
        (Fault::Refuse(503, "SlowDown"), false),
        (Fault::Refuse(400, "RequestTimeout"), false),
        (Fault::Refuse(403, "RequestTimeTooSkewed"), false),
        (Fault::Refuse(400, "ExpiredToken"), false),
        (Fault::LoseRequest, false),
        (Fault::Garbage, false),
        (Fault::LoseAnswer, true),
        (Fault::RefuseAfter(500, "InternalError"), true),
        (Fault::NoETag, true),
    ] {
        let name = format!("{fault:?}");
        place.add(fault, Operation::Put);
        let count = place.server.request_count(Operation::Put);
        let first = put(&store, &name, "1", Condition::Absent).await;
        assert!(matches!(first, PutOutcome::Unknown(_)), "{name}: {first:?}");
        assert_eq!(place.server.request_count(Operation::Put), count + 1, "{name} was sent once");
        assert_eq!(read(&store, &name).await.is_some(), is_applied, "{name}");
        let second = put(&store, &name, "1", Condition::Absent).await;
        let is_as_it_was = if is_applied {
            second == PutOutcome::PreconditionFailed
        } else {
            matches!(second, PutOutcome::Applied(_))
        };
        assert!(is_as_it_was, "{name}: {second:?}");
    }
}

#[tokio::test]
async fn what_the_store_denies_is_denied_in_words() {
    let place = Place::new().await;
    let store = place.store().await;
    for (status, code, word) in [
        (400, "InvalidRequest", "InvalidRequest"),
        (401, "Unauthorized", "401"),
        (403, "AccessDenied", "allow these credentials"),
        (404, "NoSuchBucket", "create the bucket"),
        (413, "EntityTooLarge", "limit"),
        (501, "NotImplemented", "conditional writes"),
    ] {
        place.add(Fault::Refuse(status, code), Operation::Put);
        let denied = put(&store, "a.json", "1", Condition::Absent).await;
        let PutOutcome::Rejected(text) = denied else { panic!("{status} {code}: {denied:?}") };
        assert!(text.contains(word) && text.contains("a.json") && text.contains(BUCKET), "{text}");
    }
    make(&store, "a.json", "1").await;
}

#[tokio::test]
async fn a_write_without_an_answer_is_undecided_and_may_land_late() {
    let place = Place::new().await;
    let store = connect(Options { request_timeout: SHORT_TIMEOUT, ..place.options() }).await;
    place.add(Fault::Hold, Operation::Put);
    let first = put(&store, "a.json", "late", Condition::Absent).await;
    let PutOutcome::Unknown(text) = first else { panic!("{first:?}") };
    assert!(text.contains("no response within 0.3 s"), "{text}");
    // A client with a longer timeout gets its answers.
    let store = place.store().await;
    let etag = make(&store, "a.json", "in time").await;
    place.faults().release();
    while place.faults().held_count() > 0 {
        tokio::task::yield_now().await;
    }
    let written = put(&store, "a.json", "next", Condition::Matches(etag)).await;
    assert!(
        matches!(written, PutOutcome::Applied(_)),
        "the late write changed nothing: {written:?}"
    );
}

#[tokio::test]
async fn reads_that_go_wrong_are_tried_again_and_then_unavailable() {
    let place = Place::new().await;
    let store = place.store().await;
    make(&store, "a.json", "0123456789").await;
    // The SDK retries these transparently.
    for fault in
        [Fault::Refuse(503, "SlowDown"), Fault::Refuse(500, "InternalError"), Fault::LoseAnswer]
    {
        place.add(fault, Operation::Get);
        assert_eq!(read(&store, "a.json").await.as_deref(), Some(&b"0123456789"[..]));
    }
    // Not retried, because the answer had already begun.
    for fault in [Fault::Truncate(3), Fault::Truncate(0), Fault::NoETag, Fault::Garbage] {
        place.add(fault.clone(), Operation::Get);
        let outcome = store.get("a.json").await;
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{fault:?}: {outcome:?}");
    }
    // Any web server may return 404; only the store's own error code proves that there is no blob.
    for _ in 0..3 {
        place.add(Fault::Refuse(404, "NotFound"), Operation::Get);
    }
    let outcome = store.get("a.json").await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    place.faults().clear();
    place.add(Fault::Refuse(403, "AccessDenied"), Operation::Get);
    assert!(matches!(store.get("a.json").await, Err(Error::Denied(_))));
    place.faults().add(Rule::new(Fault::LoseRequest));
    assert!(matches!(store.get("a.json").await, Err(Error::Unavailable(_))));
    assert!(matches!(store.list("", None, 10).await, Err(Error::Unavailable(_))));
}

/// Increments a counter that lists its writers: a reduced model of an activation's record.
async fn raise(store: &S3, name: &str, writer: usize) -> usize {
    let mut raised = 0;
    while raised < 10 {
        let before = loop {
            match store.get(name).await {
                Ok(before) => break before,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let mine = format!("{writer}.{raised}");
        let mut writes: Vec<String> = before
            .as_ref()
            .map_or_else(Vec::new, |blob| serde_json::from_slice(&blob.bytes).unwrap());
        writes.push(mine.clone());
        let bytes = Bytes::from(serde_json::to_vec(&writes).unwrap());
        let condition = before.map_or(Condition::Absent, |blob| Condition::Matches(blob.etag));
        loop {
            match store.put(name, bytes.clone(), condition.clone()).await {
                PutOutcome::Applied(_) => raised += 1,
                PutOutcome::Unknown(_) | PutOutcome::Unavailable(_) => continue,
                PutOutcome::PreconditionFailed => match store.get(name).await {
                    Ok(found) => {
                        let found = found.map(|blob| {
                            serde_json::from_slice::<Vec<String>>(&blob.bytes).unwrap()
                        });
                        raised += usize::from(found.is_some_and(|writes| writes.contains(&mine)));
                    }
                    Err(_) => continue,
                },
                PutOutcome::Rejected(reason) => panic!("{reason}"),
            }
            break;
        }
    }
    raised
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_neither_lose_nor_double_a_write() {
    let place = Place::new().await;
    let faults = place.faults();
    eprintln!("seed of the faults: {}", faults.seed());
    faults.add(Rule::new(Fault::LoseAnswer).on(Operation::Put).with_chance(0.2));
    faults.add(Rule::new(Fault::LoseRequest).with_chance(0.05));
    faults.add(
        Rule::new(Fault::Refuse(409, "ConditionalRequestConflict"))
            .on(Operation::Put)
            .with_chance(0.05),
    );
    faults.add(Rule::new(Fault::RefuseAfter(503, "SlowDown")).on(Operation::Put).with_chance(0.05));
    let store = place.store().await;
    let writers = (0..4).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { raise(&store, "counter.json", writer).await })
    });
    let raised: usize = join_all(writers).await.into_iter().map(Result::unwrap).sum();
    let bytes = place.server.blob("some/folder/counter.json").unwrap();
    let mut writes: Vec<String> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((writes.len(), raised), (40, 40));
    writes.sort();
    writes.dedup();
    assert_eq!(writes.len(), 40, "no write was executed twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_refuses_stores_that_decide_wrongly() {
    let is_refused = async |quirks| {
        let place = Place::new().await;
        let store = place.store().await;
        assert_eq!(probe::check(&*store).await, Ok(()));
        place.faults().set_quirks(quirks);
        // Enough rounds for the quirk that fails at random.
        probe::check_rounds(&*store, 30).await.unwrap_err()
    };
    let quirks = Quirks::default();
    let error = is_refused(Quirks { ignores_if_none_match: true, ..quirks }).await;
    assert_eq!(error, probe::Error::IgnoresIfNoneMatch);
    let error = is_refused(Quirks { ignores_if_match: true, ..quirks }).await;
    assert_eq!(error, probe::Error::IgnoresIfMatch);
    let error = is_refused(Quirks { races: 1.0, ..quirks }).await;
    assert!(matches!(error, probe::Error::SeveralWinners { .. }), "{error:?}");
    assert!(error.to_string().contains("does not use it"), "{error}");
    let error = is_refused(Quirks { omits_etags: true, ..quirks }).await;
    assert!(matches!(error, probe::Error::NoETag(_)), "{error:?}");

    let place = Place::new().await;
    let store = place.store().await;
    assert_eq!(probe::check(&*store).await, Ok(()));
    place.faults().add(Rule::new(Fault::Stale).on(Operation::Get));
    assert!(probe::check(&*store).await.is_err());
    place.faults().clear();
    place.faults().add(Rule::new(Fault::WrongETag).on(Operation::Put));
    assert!(matches!(probe::check(&*store).await, Err(probe::Error::ETagsDiffer { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_differ_without_harm_are_used() {
    let quirks = Quirks { requires_conditions: true, ..Quirks::default() };
    for quirks in [
        quirks,
        Quirks { answers_absent_with_412: true, ..quirks },
        Quirks { answers_mismatch_with_404: true, ..quirks },
        Quirks { wants_unquoted_etags: true, ..quirks },
        Quirks { answers_losers_with_500: true, ..quirks },
        Quirks { encodes_listed_keys: true, ..quirks },
    ] {
        let place = Place::new().await;
        place.faults().set_quirks(quirks);
        let store = place.store().await;
        assert_eq!(probe::check(&*store).await, Ok(()), "{quirks:?}");
        highlander_testing::store::check_races(Arc::clone(&store) as Arc<dyn Store>, 5).await;
        make(&store, "a%2Fb+c~.json", "1").await;
        let page = store.list("a", None, 10).await.unwrap();
        assert_eq!(page.names, ["a%2Fb+c~.json"], "{quirks:?}");
    }
}

#[tokio::test]
async fn a_store_that_lists_out_of_order_is_refused() {
    let place = Place::new().await;
    let store = place.store().await;
    make(&store, "a", "1").await;
    make(&store, "b", "1").await;
    place.faults().set_quirks(Quirks { lists_backwards: true, ..Quirks::default() });
    let error = store.list("", None, 10).await.unwrap_err();
    assert!(matches!(&error, Error::Denied(text) if text.contains("out of order")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_listings_come_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let options = server::Options { is_durable: false, ..server_options(&dir) };
    let server = Server::start(options).await.unwrap();
    let store = connect(self::options(&server.url())).await;
    let names: Vec<_> = (0..2500).map(|number| format!("list/{number:04}.json")).collect();
    for names in names.chunks(100) {
        join_all(names.iter().map(|name| make(&store, name, "1"))).await;
    }
    make(&store, "lisu", "1").await;
    let page = store.list("list/", None, 10_000).await.unwrap();
    assert_eq!((page.names.len(), page.has_more), (2500, false));
    for limit in [1000, 1700, 2499] {
        let page = store.list("list/", None, limit).await.unwrap();
        assert_eq!((&page.names[..], page.has_more), (&names[..limit], true), "{limit}");
        let rest = store.list("list/", page.names.last().map(String::as_str), 2500).await.unwrap();
        assert_eq!((&rest.names[..], rest.has_more), (&names[limit..], false), "{limit}");
    }
}

#[tokio::test]
async fn wrong_settings_are_reported_clearly() {
    let place = Place::new().await;
    let finding = async |options: Options, secret: &str| {
        let key = AccessKey { id: "highlander-access".to_owned(), secret: secret.to_owned() };
        let store = S3::connect_with_key(options, key).await.unwrap();
        probe::check(&store).await.unwrap_err()
    };
    let wrong = Options { bucket: "another".to_owned(), ..place.options() };
    let error = finding(wrong, "highlander-secret").await;
    let is_clear = |text: &str| text.contains("NoSuchBucket") && text.contains("another");
    assert!(matches!(&error, probe::Error::Denied(text) if is_clear(text)), "{error}");

    let error = finding(place.options(), "guessed-secret").await;
    let is_clear = |text: &str| {
        text.contains("SignatureDoesNotMatch") && text.contains("check the credentials")
    };
    assert!(matches!(&error, probe::Error::Denied(text) if is_clear(text)), "{error}");
    assert!(!error.to_string().contains("guessed-secret"));

    let url = place.server.url();
    place.server.stop().await;
    let error = finding(options(&url), "highlander-secret").await;
    assert!(matches!(&error, probe::Error::Unavailable(text) if text.contains(BUCKET)), "{error}");
}

/// Run by [`credentials_come_from_where_the_sdk_looks`] with a different environment.
#[tokio::test]
#[ignore = "only as a separate process"]
async fn with_another_environment() {
    let url = std::env::var("STORE_URL").unwrap();
    let found = match S3::connect(options(&url)).await {
        Ok(store) => format!("found: {:?}", probe::check(&store).await),
        Err(error) => {
            format!("not found: {}, {error}", matches!(error, ConnectError::Credentials { .. }))
        }
    };
    println!("{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_where_the_sdk_looks() {
    let place = Place::new().await;
    let run = async |credentials: &[(&'static str, &'static str)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "with_another_environment", "--ignored", "--nocapture"]);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"] {
            command.env_remove(name);
        }
        command.env("STORE_URL", place.server.url()).env("HOME", place.dir.path());
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(credentials.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&[]).await;
    assert!(said.contains("not found: true, no credentials for bucket highlander"), "{said}");
    let key = ("AWS_ACCESS_KEY_ID", "highlander-access");
    let said = run(&[key, ("AWS_SECRET_ACCESS_KEY", "highlander-secret")]).await;
    assert!(said.contains("found: Ok(())"), "{said}");
}
