//! Services for the cluster benchmarks: ZooKeeper servers, an S3 server, and nodes within this process.
//!
//! The servers have the settings of docs/operations.md, with longer timeouts for a busy machine, and sync to disk
//! before they respond. These benchmarks measure at the host's ports, without HTTP.

use std::sync::Arc;
use std::time::Duration;

use ::highlander_s3;
use anyhow::{Context, Result, anyhow};
use highlander::node::{Config, Node, Ports};
use highlander_core::activation::{
    Call, Consistency, Done, IdempotencyKey, Operation, Precondition, idempotency,
};
use highlander_core::call_context::Origin;
use highlander_core::caller::Caller;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::id::ObjectId;
use highlander_core::registry::Sessions;
use highlander_core::registry::claims::Granularity;
use highlander_core::store::{Condition, ETag, PutOutcome, Store};
use highlander_s3::{AccessKey, S3};
use highlander_s3_server as server;
use highlander_s3_server::faults::{Fault, Operation as Request, Rule};
use highlander_services::zookeeper::{self, Ensemble};
use highlander_system::clock;
use highlander_wasmtime::{SandboxConfig, WasmtimeEngine};
use highlander_zookeeper::{Options, ZooKeeperSessions};
use tempfile::TempDir;

use crate::artifacts::Artifacts;

/// Root znode of all benchmarks.
pub(crate) const CHROOT: &str = "/bench";
/// Long, so that no session ends on a busy machine and heartbeats are rare.
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(40);
/// More than any benchmark claims; some of them measure the use of a limit.
const CLAIMS_MAX: usize = 1_000_000;
/// Deadline of one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs work on a runtime with a thread for each processor, as a node does. The single-threaded load runtime
/// waits.
pub(crate) fn in_threads<T, F>(work: impl FnOnce() -> F + Send) -> Result<T>
where
    T: Send,
    F: Future<Output = Result<T>>,
{
    let run = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(work())
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|_| Err(anyhow!("a benchmark task panicked")))
}

/// Whether the ZooKeeper servers sync their writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Synced,
    /// Faster, for measurements that do not depend on the disk.
    Unsynced,
}

/// Starts ZooKeeper servers with the settings that operators should use.
pub(crate) fn ensemble(server_count: usize, durability: Durability) -> Result<Ensemble> {
    Ensemble::try_start(settings(server_count, durability))
}

/// Returns the configuration of the ZooKeeper servers.
pub(crate) fn settings(server_count: usize, durability: Durability) -> zookeeper::Config {
    zookeeper::Config {
        tick_ms: 1000,
        sync_limit: 5,
        session_timeout_min_ms: 2000,
        has_force_sync: durability == Durability::Synced,
        heap_mb: 512,
        ..zookeeper::Config::with_servers(server_count)
    }
}

/// Returns a factory for sessions of the node `name` with these servers.
pub(crate) fn sessions(ensemble: &Ensemble, name: &str, claims: Granularity) -> ZooKeeperSessions {
    // Nodes of one chroot must agree on the extent of a claim.
    let chroot = match claims {
        Granularity::Object => CHROOT.to_owned(),
        Granularity::Partitions(count) => format!("{CHROOT}-{count}"),
    };
    ZooKeeperSessions::new(Options {
        connect: format!("{}{chroot}", ensemble.connect_string()),
        session_timeout: SESSION_TIMEOUT,
        granularity: claims,
        claims_max: CLAIMS_MAX,
        credentials: None,
        tls: None,
        node_name: name.to_owned(),
        address: "127.0.0.1:1".to_owned(),
        store: None,
    })
}

/// Our S3 server, in this process: it syncs its writes and counts its requests.
pub(crate) struct Blobs {
    server: server::Server,
    access: AccessKey,
    bucket: String,
    _folder: TempDir,
}

impl Blobs {
    /// Starts the server on the disk under test.
    pub(crate) async fn start(artifacts: &Artifacts) -> Result<Self> {
        let folder = artifacts.data_folder()?;
        let options = server::Options::new(folder.path().join("blobs"));
        let access =
            AccessKey { id: options.access_key.clone(), secret: options.secret_key.clone() };
        let bucket = options.bucket.clone();
        Ok(Self { server: server::Server::start(options).await?, access, bucket, _folder: folder })
    }

    /// Returns the host's client of this server, with separate connections.
    pub(crate) async fn store(&self) -> Result<Arc<S3>> {
        let options = highlander_s3::Options {
            bucket: self.bucket.clone(),
            prefix: String::new(),
            endpoint: Some(self.server.url()),
            region: None,
            path_style: true,
            request_timeout: CALL_TIMEOUT,
        };
        Ok(Arc::new(S3::connect_with_key(options, self.access.clone()).await?))
    }

    /// Adds this latency to every request from now on.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.server.faults().clear();
        if !latency.is_zero() {
            self.server.faults().add(Rule::new(Fault::Delay(latency)));
        }
    }

    /// Returns the number of requests of a kind so far.
    pub(crate) fn count(&self, request: Request) -> f64 {
        self.server.request_count(request) as f64
    }

    /// Returns the URL of the server.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Returns its bucket and the access key.
    pub(crate) fn access(&self) -> (&str, &AccessKey) {
        (&self.bucket, &self.access)
    }

    /// Returns the content of a blob.
    pub(crate) fn blob(&self, name: &str) -> Result<bytes::Bytes> {
        self.server.blob(name).with_context(|| format!("blob {name} does not exist"))
    }
}

/// Writes a blob, and returns an error unless the write is applied.
pub(crate) async fn put(
    store: &S3,
    name: &str,
    bytes: &bytes::Bytes,
    condition: Condition,
) -> Result<ETag> {
    let outcome = store.put(name, bytes.clone(), condition).await;
    let PutOutcome::Applied(etag) = outcome else {
        anyhow::bail!("a write was not applied: {outcome:?}")
    };
    Ok(etag)
}

/// Starts a node that has joined, with the counter deployed.
pub(crate) async fn node(
    artifacts: &Artifacts,
    sessions: Arc<dyn Sessions>,
    store: Arc<dyn Store>,
) -> Result<Arc<Node>> {
    let sandbox = SandboxConfig { resident_max: RESIDENT_MAX as u32, ..SandboxConfig::default() };
    let ports = Ports { sessions, store, engine: Arc::new(WasmtimeEngine::new(sandbox)?) };
    // Without a limit on activations, which would dominate the measurement.
    let config = Config {
        idle_timeout: Duration::from_mins(30),
        mailbox_len: 1024,
        fault_max: 1000,
        resident_max: RESIDENT_MAX,
        store_unavailable_timeout: Duration::from_mins(1),
        ..Config::default()
    };
    let node = Node::start(ports, &config, None);
    node.joined().await;
    let counter = std::fs::read(artifacts.guest("counter")?)?;
    node.deploy(counter.into(), &DeployOptions::default())
        .await
        .context("cannot deploy the counter")?;
    Ok(node)
}

/// Maximum number of instances on a node.
const RESIDENT_MAX: usize = 1_000;

/// Returns the id of the counter with this name.
pub(crate) fn counter(name: &str) -> Result<ObjectId> {
    Ok(ObjectId::new("counter", name)?)
}

/// Returns a call of a handler without an argument.
pub(crate) fn call_of(handler: &str) -> Call {
    Call {
        operation: Operation::Handle { handler: handler.into(), argument: "null".into() },
        caller: Caller::Anonymous,
        origin: Origin::default(),
        precondition: Precondition::None,
        consistency: Consistency::Lease,
        key: None,
        deadline: clock::now() + CALL_TIMEOUT,
    }
}

/// Returns the call with an idempotency key.
pub(crate) fn keyed(call: Call, key: &str) -> Call {
    let fingerprint = idempotency::fingerprint(&call.operation, &call.caller);
    Call { key: Some(IdempotencyKey { key: key.into(), fingerprint }), ..call }
}

/// Calls a handler, and returns an error if the call fails.
pub(crate) async fn call(node: &Node, id: &ObjectId, handler: &str) -> Result<Done> {
    done(node.call(id, call_of(handler)).await)
}

/// Returns the result of a call if it succeeded.
pub(crate) fn done(answer: highlander_core::activation::Answer) -> Result<Done> {
    answer.map_err(|error| anyhow!("a call failed: {error}"))
}
