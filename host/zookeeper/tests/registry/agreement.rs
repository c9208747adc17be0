//! Admission: only nodes whose registry and store belong to one cluster, and that agree on the claim granularity,
//! may join.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use highlander_core::id::NodeId;
use highlander_core::registry::agreement::{ClusterId, ClusterStore, Identity};
use highlander_core::registry::claims::Granularity;
use highlander_core::registry::{Error, Registry, SessionEvent};
use highlander_zookeeper::{Options, Session, ZooKeeperSessions};
use parking_lot::Mutex;
use zookeeper_client::Client;

use crate::cluster::{Cluster, notices_until, until};

/// Content of a bucket, shared by all nodes that use it.
type Blob = Arc<Mutex<Option<Identity>>>;

/// Store of one node.
#[derive(Debug, Default)]
struct Records {
    name: String,
    blob: Blob,
    known: Mutex<Option<ClusterId>>,
    has_joined: Mutex<bool>,
}

#[async_trait]
impl ClusterStore for Records {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self) -> Result<Option<Identity>, Error> {
        tokio::task::yield_now().await;
        Ok(*self.blob.lock())
    }

    async fn write(&self, identity: Identity) -> Result<(), Error> {
        tokio::task::yield_now().await;
        self.blob.lock().get_or_insert(identity);
        Ok(())
    }

    fn known(&self) -> Option<ClusterId> {
        *self.known.lock()
    }

    fn joined(&self) -> Option<ClusterId> {
        self.known().filter(|_| *self.has_joined.lock())
    }

    fn remember(&self, id: ClusterId) {
        *self.known.lock() = Some(id);
        *self.has_joined.lock() = true;
    }
}

/// Creates the store of a node that starts for the first time.
fn records(name: &str, blob: &Blob) -> Arc<Records> {
    Arc::new(Records { name: name.to_owned(), blob: Arc::clone(blob), ..Records::default() })
}

/// Creates the store of a node that was a member of the cluster `known`.
fn records_of_a_member(name: &str, blob: &Blob, known: Option<ClusterId>) -> Arc<Records> {
    let known = Mutex::new(known);
    Arc::new(Records { name: name.to_owned(), blob: Arc::clone(blob), known, ..Records::default() })
}

async fn begin(
    cluster: &Cluster,
    name: &str,
    change: impl FnOnce(&mut Options),
) -> Result<Session, Error> {
    let mut options = cluster.options.clone();
    change(&mut options);
    ZooKeeperSessions::new(options).begin_as(NodeId::new(name)).await
}

async fn join(cluster: &Cluster, name: &str, store: Arc<Records>) -> Result<Session, Error> {
    begin(cluster, name, |options| options.store = Some(store)).await
}

#[track_caller]
fn assert_denied<T>(outcome: Result<T, Error>, parts: &[&str]) {
    let Err(Error::Denied(why)) = outcome.map(|_| "a session") else { panic!("it was let in") };
    for part in parts {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_found_one_cluster() {
    let cluster = Cluster::start().await;
    let blob = Blob::default();
    let stores: Vec<_> = (0..8).map(|_| records("bucket", &blob)).collect();
    let joining = stores.iter().enumerate().map(|(number, store)| {
        let (cluster, store) = (&cluster, Arc::clone(store));
        async move { join(cluster, &format!("a-{number}"), store).await }
    });
    let sessions: Vec<_> = join_all(joining).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(sessions.len(), 8);
    let ids: Vec<_> = stores.iter().map(|store| store.known()).collect();
    assert!(ids[0].is_some() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_share_neither_a_bucket_nor_a_registry() {
    let cluster = Cluster::start().await;
    let (blob, other_blob) = (Blob::default(), Blob::default());
    let session = join(&cluster, "a-1", records("bucket", &blob)).await.unwrap();
    let elsewhere = |name: &'static str, blob: &Blob| {
        let store = records("bucket", blob);
        let connect = format!("{}/test/other", cluster.ensemble.connect_string());
        begin(&cluster, name, move |options| {
            options.connect = connect;
            options.store = Some(store);
        })
    };
    assert_denied(
        elsewhere("b-1", &blob).await,
        &["bucket belongs to cluster", "chroot has no record of it"],
    );
    // A bucket of the same name on another server, which is empty.
    let blank = join(&cluster, "c-1", records("bucket", &other_blob)).await;
    assert_denied(blank, &["chroot belongs to cluster", "bucket has no record of it"]);
    assert_eq!(*other_blob.lock(), None, "a rejected session leaves nothing behind");
    // Now another cluster uses it.
    let other = elsewhere("d-1", &other_blob).await.unwrap();
    let theirs = join(&cluster, "e-1", records("bucket", &other_blob)).await;
    assert_denied(theirs, &["bucket belongs to cluster", "chroot to cluster"]);
    // Only the admitted nodes were published, and they are still members.
    for (session, name) in [(&session, "a-1"), (&other, "d-1")] {
        let members = session.members();
        let names: Vec<_> = members.iter().map(|member| member.node.as_str()).collect();
        assert_eq!(names, [name]);
    }
    assert!(join(&cluster, "a-2", records("bucket", &blob)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_count_claims_differently_are_not_in_one_cluster() {
    let cluster = Cluster::start().await;
    let session = cluster.join("a-1").await;
    for claims in [Granularity::Partitions(8), Granularity::Partitions(16)] {
        let outcome = begin(&cluster, "b-1", |options| options.granularity = claims).await;
        assert_denied(outcome, &["registry.claims", &claims.to_string(), "object", "a-1"]);
    }
    assert_eq!(session.members().iter().count(), 1, "a rejected session is not announced");
    // Once no node is left, the setting may change.
    session.leave().await;
    let eight = Granularity::Partitions(8);
    let session = begin(&cluster, "b-2", |options| options.granularity = eight).await.unwrap();
    assert_eq!(session.granularity(), eight);
    let object = begin(&cluster, "a-2", |options| options.granularity = Granularity::Object).await;
    assert_denied(object, &["registry.claims", "partitions = 8", "b-2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_that_start_together_and_differ_not_all_are_let_in() {
    let cluster = Cluster::start().await;
    for round in 0..10 {
        let names = [format!("a-{round}"), format!("b-{round}")];
        let object = begin(&cluster, &names[0], |_| {});
        let partitions = |options: &mut Options| options.granularity = Granularity::Partitions(8);
        let partitions = begin(&cluster, &names[1], partitions);
        let outcomes = tokio::join!(object, partitions);
        assert!(outcomes.0.is_err() || outcomes.1.is_err(), "both were let in");
        for session in [outcomes.0, outcomes.1].into_iter().flatten() {
            session.leave().await;
        }
        let operator = cluster.operator().await;
        until("no session is announced", async || {
            operator.list_children("/n").await.unwrap().is_empty()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_another_place_are_refused_though_they_name_the_cluster() {
    let cluster = Cluster::start().await;
    let blob = Blob::default();
    let _session = join(&cluster, "a-1", records("objects/prod", &blob)).await.unwrap();
    // A copy of the bucket with all its content.
    let copy = Arc::new(Mutex::new(*blob.lock()));
    let outcome = join(&cluster, "b-1", records("objects/copy", &copy)).await;
    assert_denied(outcome, &["store.bucket", "objects/prod", "objects/copy", "a-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_is_put_back_where_an_operator_removed_it() {
    let cluster = Cluster::start().await;
    let operator = cluster.operator().await;
    let blob = Blob::default();
    let session = join(&cluster, "a-1", records("bucket", &blob)).await.unwrap();
    let before = operator.get_data("/cluster").await.unwrap().0;
    operator.delete("/cluster", None).await.unwrap();
    until("it exists again", async || operator.check_stat("/cluster").await.unwrap().is_some())
        .await;
    assert_eq!(operator.get_data("/cluster").await.unwrap().0, before);
    assert!(join(&cluster, "b-1", records("bucket", &blob)).await.is_ok());
    // The znode suddenly names another cluster.
    let other = Identity::of(ClusterId::new(rand::random()));
    operator.set_data("/cluster", &other.bytes(), None).await.unwrap();
    notices_until(&session, &SessionEvent::SessionOver).await;
    operator.set_data("/cluster", b"what is this", None).await.unwrap();
    let outcome = join(&cluster, "c-1", records("bucket", &blob)).await;
    assert_denied(outcome, &["/cluster", "does not name a cluster"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_forgot_everything_is_known_to_those_who_were_there() {
    let mut cluster = Cluster::start().await;
    let blob = Blob::default();
    let first = records("bucket", &blob);
    let session = join(&cluster, "a-1", Arc::clone(&first)).await.unwrap();
    session.leave().await;
    let known = first.known();
    // Equivalent to new servers: the chroot is empty.
    cluster.options.connect = format!("{}/test/emptied", cluster.ensemble.connect_string());
    let stranger = join(&cluster, "b-1", records("bucket", &blob)).await;
    assert_denied(stranger, &["chroot has no record of it"]);
    let other = records_of_a_member("bucket", &blob, Some(ClusterId::new(rand::random())));
    assert_denied(join(&cluster, "c-1", other).await, &["chroot has no record of it"]);
    let member = records_of_a_member("bucket", &blob, known);
    let _member = join(&cluster, "a-2", member).await.unwrap();
    assert!(
        join(&cluster, "b-2", records("bucket", &blob)).await.is_ok(),
        "and to all nodes from then on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_gives_records_to_another_cluster_by_removing_their_identity() {
    let mut cluster = Cluster::start().await;
    let blob = Blob::default();
    let first = records("bucket", &blob);
    join(&cluster, "a-1", Arc::clone(&first)).await.unwrap().leave().await;
    *blob.lock() = None;
    cluster.options.connect = format!("{}/test/moved", cluster.ensemble.connect_string());
    let second = records("bucket", &blob);
    let _session = join(&cluster, "b-1", Arc::clone(&second)).await.unwrap();
    assert_ne!(first.known(), second.known());
    // A member of the former cluster is rejected.
    cluster.options.connect = format!("{}/test/c", cluster.ensemble.connect_string());
    let former = records_of_a_member("bucket", &blob, first.known());
    assert_denied(join(&cluster, "a-2", former).await, &["bucket belongs to cluster"]);
    let client = Client::connect(&cluster.ensemble.connect_string()).await.unwrap();
    assert!(client.check_stat("/test/moved/cluster").await.unwrap().is_some());
}
