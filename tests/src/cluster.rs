//! A whole cluster on this machine: a ZooKeeper ensemble, an S3 server and nodes, as processes but for the S3 server,
//! each reached by links of its own that can be cut.
//!
//! Every node has one link to each ZooKeeper server, one to the store, and one in front of it that the other nodes use;
//! clients reach it directly. [`load`] calls objects through all nodes, [`objects`] judges what came of it, and
//! [`shared`] is for tests that leave the cluster as they found it.
//! Nothing here knows what a fault is to lead to.

pub mod bucket;
pub mod load;
pub mod member;
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
use self::member::{Member, Surroundings};
use self::options::ClusterOptions;
use crate::client::Client;
use crate::wait;

/// How many clusters may run at a time: each is several processes, and machines that test are small.
static PERMITS: Semaphore = Semaphore::const_new(2);

/// What the names of all blobs begin with.
pub const PREFIX: &str = "test";

/// A running cluster, which ends with this value.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they end: nodes first, and the permit last.
    members: Vec<Arc<Member>>,
    ensemble: Arc<Ensemble>,
    bucket: Bucket,
    options: ClusterOptions,
    folder: TempDir,
    _permit: SemaphorePermit<'static>,
}

impl Cluster {
    /// A cluster in which every node is ready and knows every guest.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start(options: ClusterOptions) -> Self {
        let permit = PERMITS.acquire().await.expect("it is never closed");
        let folder = tempfile::Builder::new().prefix("highlander-cluster-").tempdir().unwrap();
        let config = options.ensemble();
        let ensemble = runtime::block(move || Ensemble::start(config));
        let dir = folder.path().join("store");
        let (ensemble, bucket) = tokio::join!(ensemble, Bucket::start(options.bucket, dir));
        let ensemble = Arc::new(ensemble);
        let surroundings =
            Surroundings { ensemble: &ensemble, bucket: &bucket, folder: folder.path() };
        let members = (0..options.nodes).map(|index| Member::start(index, &options, &surroundings));
        let members = join_all(members).await.into_iter().map(Arc::new).collect();
        let cluster = Self { members, ensemble, bucket, options, folder, _permit: permit };
        cluster.deploy().await;
        cluster
    }

    /// A node by its number, from 0.
    #[must_use]
    pub fn node(&self, index: usize) -> &Arc<Member> {
        &self.members[index]
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// The numbers of all nodes but one.
    #[must_use]
    pub fn others(&self, index: usize) -> Vec<usize> {
        (0..self.members.len()).filter(|other| *other != index).collect()
    }

    /// A client of the present process of a node.
    #[must_use]
    pub fn client(&self, index: usize) -> Client {
        self.client_of(&self.members[index])
    }

    fn client_of(&self, member: &Member) -> Client {
        Client::new(&member.url()).with_token(self.options.token.as_deref())
    }

    /// What the cluster was started with.
    #[must_use]
    pub fn options(&self) -> &ClusterOptions {
        &self.options
    }

    /// The ZooKeeper servers.
    #[must_use]
    pub fn ensemble(&self) -> &Arc<Ensemble> {
        &self.ensemble
    }

    /// Does something with the ensemble that takes its time.
    pub async fn with_ensemble<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Ensemble) -> T + Send + 'static,
    ) -> T {
        let ensemble = Arc::clone(&self.ensemble);
        runtime::block(move || act(&ensemble)).await
    }

    /// The S3 server.
    ///
    /// # Panics
    /// Where it is not ours.
    #[must_use]
    pub fn store(&self) -> &Store {
        match &self.bucket {
            Bucket::Ours(server) => server,
            Bucket::Ministack(_) => panic!("ministack cannot be told to fail"),
        }
    }

    /// The S3 server's script of faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.store().faults()
    }

    /// The record of an object, `type/key`, as it lies in the store; keys are of letters, digits and `-`.
    pub async fn record(&self, object: &str) -> Option<Vec<u8>> {
        self.bucket.blob(&format!("{PREFIX}/objects/{object}.json")).await
    }

    /// The number of the node that answers for an object, as any node that runs says it. It becomes active by that.
    ///
    /// # Panics
    /// Where nobody answers for long.
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
        owner.expect("it was waited for")
    }

    /// The number of the node with this id, or name.
    #[must_use]
    pub fn index_of(&self, node: &str) -> Option<usize> {
        self.members.iter().position(|member| member.is_called(node))
    }

    /// Objects of a type that live on this node, as long as the nodes are the same.
    ///
    /// # Panics
    /// Where the other nodes get them all.
    pub async fn objects_on(&self, index: usize, object_type: &str, count: usize) -> Vec<String> {
        self.objects_with(index, &format!("{object_type}/on"), count).await
    }

    /// The same of objects whose names begin with this, `type/key`.
    ///
    /// # Panics
    /// Where the other nodes get them all.
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

    /// Waits until every node that runs is ready and sees the same nodes.
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

    /// Where the cluster keeps its files.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}
