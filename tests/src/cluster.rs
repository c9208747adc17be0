//! A complete cluster on this machine: a ZooKeeper ensemble, an S3 server and nodes. All are processes except the
//! S3 server, and each is reached through separate links that a test can cut.
//!
//! Every node has one link to each ZooKeeper server, one to the store, and one in front of it for the other nodes.
//! Clients connect to a node directly. [`load`] calls objects through all nodes, [`objects`] checks the histories
//! of the calls, and [`shared`] is for tests that leave the cluster as they found it.

pub mod bucket;
pub mod load;
pub mod node_process;
pub mod objects;
pub mod options;
pub mod rollouts;
pub mod runtime;
pub mod shared;

use std::sync::Arc;

use futures_util::future::join_all;
use highlander_s3_server::Server as Store;
use highlander_s3_server::faults::Faults;
use highlander_services::zookeeper::Ensemble;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use self::bucket::Bucket;
use self::node_process::{Environment, NodeProcess};
use self::options::ClusterOptions;
use crate::client::Client;
use crate::wait;

/// Limit of concurrent clusters: each is several processes, and test machines may be small.
static PERMITS: Semaphore = Semaphore::const_new(2);

/// Prefix of all blob keys.
pub const PREFIX: &str = "test";

/// A running cluster, which ends when this value is dropped.
#[derive(Debug)]
pub struct Cluster {
    // In drop order: nodes first, and the permit last.
    members: Vec<Arc<NodeProcess>>,
    ensemble: Arc<Ensemble>,
    bucket: Bucket,
    options: ClusterOptions,
    folder: TempDir,
    _permit: SemaphorePermit<'static>,
}

impl Cluster {
    /// Starts a cluster in which every node is ready and has loaded every guest.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn start(options: ClusterOptions) -> Self {
        let permit = PERMITS.acquire().await.expect("the semaphore is never closed");
        let folder = tempfile::Builder::new().prefix("highlander-cluster-").tempdir().unwrap();
        let config = options.ensemble();
        let ensemble = runtime::block(move || Ensemble::start(config));
        let dir = folder.path().join("store");
        let (ensemble, bucket) = tokio::join!(ensemble, Bucket::start(options.bucket, dir));
        let ensemble = Arc::new(ensemble);
        let environment =
            Environment { ensemble: &ensemble, bucket: &bucket, folder: folder.path() };
        let members =
            (0..options.nodes).map(|index| NodeProcess::start(index, &options, &environment));
        let members = join_all(members).await.into_iter().map(Arc::new).collect();
        let cluster = Self { members, ensemble, bucket, options, folder, _permit: permit };
        cluster.deploy().await;
        cluster
    }

    /// Returns a node by its index, from 0.
    #[must_use]
    pub fn node(&self, index: usize) -> &Arc<NodeProcess> {
        &self.members[index]
    }

    /// Returns all nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<NodeProcess>] {
        &self.members
    }

    /// Returns the indexes of all nodes except one.
    #[must_use]
    pub fn others(&self, index: usize) -> Vec<usize> {
        (0..self.members.len()).filter(|other| *other != index).collect()
    }

    /// Returns a client of a node's current process.
    #[must_use]
    pub fn client(&self, index: usize) -> Client {
        self.client_of(&self.members[index])
    }

    fn client_of(&self, member: &NodeProcess) -> Client {
        Client::new(&member.url()).with_token(self.options.token.as_deref())
    }

    /// Returns the options of this cluster.
    #[must_use]
    pub fn options(&self) -> &ClusterOptions {
        &self.options
    }

    /// Returns the ZooKeeper servers.
    #[must_use]
    pub fn ensemble(&self) -> &Arc<Ensemble> {
        &self.ensemble
    }

    /// Runs a blocking operation on the ensemble.
    pub async fn with_ensemble<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Ensemble) -> T + Send + 'static,
    ) -> T {
        let ensemble = Arc::clone(&self.ensemble);
        runtime::block(move || act(&ensemble)).await
    }

    /// Returns the S3 server.
    ///
    /// # Panics
    /// If the cluster uses ministack.
    #[must_use]
    pub fn store(&self) -> &Store {
        match &self.bucket {
            Bucket::Ours(server) => server,
            Bucket::Ministack(_) => panic!("ministack does not support fault injection"),
        }
    }

    /// Returns the S3 server's script of faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.store().faults()
    }

    /// Returns the record of an object, `type/key`, as stored. Keys consist of letters, digits and `-`.
    pub async fn record(&self, object: &str) -> Option<Vec<u8>> {
        self.bucket.blob(&format!("{PREFIX}/objects/{object}.json")).await
    }

    /// Returns the index of the node that owns an object, as reported by any running node. This activates the
    /// object.
    ///
    /// # Panics
    /// If no node responds within the time limit.
    pub async fn owner_of(&self, object: &str) -> usize {
        let mut owner = None;
        wait::until(&format!("an owner of {object}"), async || {
            for member in &self.members {
                owner = member.owner_of(object).await;
                if owner.is_some() {
                    return true;
                }
            }
            false
        })
        .await;
        owner.expect("waited for above")
    }

    /// Returns the index of the node with this id or name.
    #[must_use]
    pub fn index_of(&self, node: &str) -> Option<usize> {
        self.members.iter().position(|member| member.is_called(node))
    }

    /// Returns objects of a type that placement assigns to this node while the set of nodes stays the same.
    ///
    /// # Panics
    /// If the other nodes own too many of the candidates.
    pub async fn objects_on(&self, index: usize, object_type: &str, count: usize) -> Vec<String> {
        self.objects_with(index, &format!("{object_type}/on"), count).await
    }

    /// Returns such objects with names, `type/key`, that begin with this prefix.
    ///
    /// # Panics
    /// If the other nodes own too many of the candidates.
    pub async fn objects_with(&self, index: usize, prefix: &str, count: usize) -> Vec<String> {
        let mut found = Vec::new();
        for number in 0..count * 40 {
            let object = format!("{prefix}-{number}");
            if self.owner_of(&object).await == index {
                found.push(object);
                if found.len() == count {
                    return found;
                }
            }
        }
        panic!("node {index} owns {} of {} objects", found.len(), count * 40);
    }

    /// Waits until every running node is ready and sees all the others.
    pub async fn is_whole(&self) {
        let running: Vec<_> = self.members.iter().filter(|member| member.is_running()).collect();
        for member in &running {
            let what = format!("{} is ready and sees {} nodes", member.name(), running.len());
            wait::until(&what, async || {
                let client = self.client_of(member);
                client.is_ready().await && member.seen_nodes(&client).await == Some(running.len())
            })
            .await;
        }
    }

    async fn deploy(&self) {
        for guest in &self.options.guests {
            self.client(0).deploy(guest).await;
        }
        self.is_whole().await;
        for index in 0..self.members.len() {
            let client = self.client(index);
            for guest in &self.options.guests {
                wait::until(&format!("node {index} knows {guest}"), async || {
                    let types = client.get(&format!("/v1/types/{guest}")).try_send().await;
                    types.is_ok_and(|types| types.status == 200)
                })
                .await;
            }
        }
    }

    /// Returns the folder of the cluster's files.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}
