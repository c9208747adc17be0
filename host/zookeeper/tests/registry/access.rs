//! Credentials, chroots, TLS, and invalid settings.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use highlander_core::id::NodeId;
use highlander_core::registry::{Claimed, Error, Registry};
use highlander_services::zookeeper::{Config, Ensemble, Tls as ServerTls};
use highlander_zookeeper::{Options, Session, Tls, ZooKeeperSessions};
use zookeeper_client::{Client, Error as ClientError};

use crate::cluster::{Cluster, claim_path, id};

async fn begin(options: &Options, name: &str) -> Result<Session, Error> {
    ZooKeeperSessions::new(options.clone()).begin_as(NodeId::new(name)).await
}

#[track_caller]
fn assert_denied(outcome: Result<Session, Error>, word: &str) {
    match outcome {
        Err(Error::Denied(why)) if why.contains(word) => {}
        other => panic!("not denied for {word:?}: {other:?}"),
    }
}

/// Returns every znode of the chroot, including the chroot itself.
async fn znodes(client: &Client) -> Vec<String> {
    let mut found = vec!["/".to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        let children = client.list_children(&path).await.unwrap();
        let parent = path.trim_end_matches('/');
        found.extend(children.iter().map(|child| format!("{parent}/{child}")));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn with_credentials_everything_is_the_creators_alone() {
    let mut cluster = Cluster::start().await;
    cluster.options.credentials = Some("highlander:secret".to_owned());
    let (session, other) = (cluster.join("a-1").await, cluster.join("b-1").await);
    assert_eq!(session.claim(&id(1)).await, Ok(Claimed::Granted));
    assert_eq!(session.publish_type_change(&"todo".to_owned().try_into().unwrap()).await, Ok(()));
    assert_eq!(other.claim(&id(1)).await, Ok(Claimed::Held(session.node().clone())));

    let stranger = cluster.operator().await;
    for path in [claim_path(&id(1)), "/n/a-1".to_owned(), "/h/a-1".to_owned()] {
        assert_eq!(stranger.delete(&path, None).await, Err(ClientError::NoAuth));
        assert_eq!(stranger.set_data(&path, b"", None).await, Err(ClientError::NoAuth));
        assert_eq!(stranger.get_data(&path).await, Err(ClientError::NoAuth));
    }
    let insider = Client::connector().with_auth("digest", b"highlander:secret");
    let insider = insider.connect(&cluster.ensemble.connect_string()).await.unwrap();
    let insider = insider.chroot("/test/c".to_owned()).unwrap();
    let paths = znodes(&insider).await;
    assert!(paths.contains(&claim_path(&id(1))) && paths.contains(&"/t/todo".to_owned()));
    for path in paths {
        let (acls, _) = insider.get_acl(&path).await.unwrap();
        let whose: Vec<_> = acls.iter().map(|acl| (acl.scheme(), acl.id())).collect();
        assert!(
            matches!(whose[..], [("digest", who)] if who.starts_with("highlander:")),
            "{path}: {whose:?}"
        );
    }

    let mut options = cluster.options.clone();
    options.credentials = Some("highlander:guess".to_owned());
    assert_denied(begin(&options, "c-1").await, "credentials");
    options.credentials = None;
    assert_denied(begin(&options, "c-1").await, "credentials");
    assert!(!format!("{:?}", cluster.options).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_open_is_not_trusted_with_credentials() {
    let mut cluster = Cluster::start().await;
    drop(cluster.join("a-1").await);
    cluster.options.credentials = Some("highlander:secret".to_owned());
    assert_denied(begin(&cluster.options, "b-1").await, "open to everybody");
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_in_two_chroots_are_strangers_and_nothing_is_outside_of_them() {
    let cluster = Cluster::start().await;
    let first = cluster.join("a-1").await;
    let mut options = cluster.options.clone();
    options.connect = format!("{}/other", cluster.ensemble.connect_string());
    let second = begin(&options, "a-1").await.unwrap();
    for session in [&first, &second] {
        assert_eq!(session.claim(&id(1)).await, Ok(Claimed::Granted));
        assert_eq!(session.members().iter().count(), 1);
    }
    let root = Client::connect(&cluster.ensemble.connect_string()).await.unwrap();
    let mut children = root.list_children("/").await.unwrap();
    children.sort();
    assert_eq!(children, ["other", "test", "zookeeper"]);
    assert_eq!(root.list_children("/test").await.unwrap(), ["c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_are_refused_with_the_reason() {
    let cluster = Cluster::start().await;
    let _session = cluster.join("a-1").await;
    assert_denied(begin(&cluster.options, "a-1").await, "another session already has the name a-1");
    assert_denied(begin(&cluster.options, "a/1").await, "name");
    let with = |connect: &str| Options { connect: connect.to_owned(), ..cluster.options.clone() };
    assert_denied(begin(&with("127.0.0.1:port"), "b-1").await, "127.0.0.1:port");
    let server = cluster.ensemble.connect_string();
    assert_denied(begin(&with(&format!("{server}/a//b")), "b-1").await, "/a//b");
    // No server listens on this port.
    let unreachable = Options { session_timeout: Duration::from_secs(1), ..with("127.0.0.1:1") };
    assert!(matches!(begin(&unreachable, "b-1").await, Err(Error::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_speak_tls_and_refuse_servers_that_they_do_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, strangers) =
        (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "theirs"));
    let (certificate, key) = ours.issue("server");
    let identity = folder.path().join("server-identity.pem");
    let pem = [std::fs::read(&key).unwrap(), std::fs::read(&certificate).unwrap()].concat();
    std::fs::write(&identity, pem).unwrap();
    let tls =
        ServerTls { identity, client_ca: ours.certificate.clone(), needs_client_certificate: true };
    let config = Config { tls: Some(tls), ..Config::default() };
    let ensemble = tokio::task::spawn_blocking(|| Ensemble::start(config)).await.unwrap();
    let options = |ca: &Authority, identity: Option<(PathBuf, PathBuf)>| Options {
        connect: format!("{}/secure", ensemble.secure_connect_string()),
        session_timeout: Duration::from_secs(4),
        granularity: highlander_core::registry::claims::Granularity::Object,
        claims_max: 100,
        credentials: Some("highlander:secret".to_owned()),
        tls: Some(Tls { ca: ca.certificate.clone(), identity }),
        node_name: "node".to_owned(),
        address: "127.0.0.1:1".to_owned(),
        store: None,
    };
    let session = begin(&options(&ours, Some(ours.issue("client"))), "a-1").await.unwrap();
    assert_eq!(session.claim(&id(1)).await, Ok(Claimed::Granted));
    session.leave().await;

    for options in [
        options(&strangers, Some(ours.issue("deceived"))),
        options(&ours, Some(strangers.issue("stranger"))),
        options(&ours, None),
    ] {
        let outcome = begin(&options, "b-1").await;
        assert!(
            matches!(&outcome, Err(Error::Unavailable(why)) if why.contains("certificates")),
            "{outcome:?}"
        );
    }
    let missing = Tls { ca: folder.path().join("no-such-file"), identity: None };
    let options = Options { tls: Some(missing), ..options(&ours, None) };
    assert_denied(begin(&options, "b-1").await, "no-such-file");
}

/// A certificate authority.
struct Authority {
    folder: PathBuf,
    name: String,
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let file = |ending: &str| folder.join(format!("{name}-ca.{ending}"));
        let (certificate, key) = (file("pem"), file("key"));
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -addext \
             basicConstraints=critical,CA:TRUE -keyout {} -out {}",
            key.display(),
            certificate.display()
        ));
        Self { folder: folder.to_owned(), name: name.to_owned(), certificate, key }
    }

    /// Issues a certificate for 127.0.0.1, and its key.
    fn issue(&self, subject: &str) -> (PathBuf, PathBuf) {
        let file = |ending: &str| self.folder.join(format!("{}-{subject}.{ending}", self.name));
        let (certificate, key, request, extensions) =
            (file("pem"), file("key"), file("csr"), file("ext"));
        std::fs::write(&extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        openssl(&format!(
            "req -newkey rsa:2048 -nodes -subj /CN={subject} -keyout {} -out {}",
            key.display(),
            request.display()
        ));
        openssl(&format!(
            "x509 -req -days 2 -in {} -CA {} -CAkey {} -CAcreateserial -extfile {} -out {}",
            request.display(),
            self.certificate.display(),
            self.key.display(),
            extensions.display(),
            certificate.display()
        ));
        (certificate, key)
    }
}

fn openssl(arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
