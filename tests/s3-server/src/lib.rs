//! An S3 server for tests and benchmarks: strict, durable, with faults on request.
//!
//! It speaks enough of S3 for whole blobs: PUT under `If-Match` and `If-None-Match: *`, GET, HEAD, DELETE and
//! ListObjectsV2, all signed. Conditions are decided as AWS decides them, and an answer of 200 means that the blob is
//! on the disk. What goes wrong goes wrong on request only: see [`faults`].
//! It knows one bucket, no versions, no multipart uploads and no access rules, and is not for production.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::blobs::Blobs;
use crate::counts::Counts;
use crate::faults::{Faults, Operation};
use crate::service::Service;

mod blobs;
mod connections;
mod counts;
pub mod faults;
mod service;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the blobs are kept; made if it is not there. One server at a time may use it.
    pub dir: PathBuf,
    /// Where to listen; port 0 is any free one.
    pub address: SocketAddr,
    /// The one bucket.
    pub bucket: String,
    /// Who may sign requests.
    pub access_key: String,
    /// And with what.
    pub secret_key: String,
    /// Whether a write is on the disk before it is answered. Without it writes survive the process, not the machine.
    pub is_durable: bool,
    /// What decides on faults that come by chance.
    pub seed: u64,
}

impl Options {
    /// A server with the data of `dir` on a free port of this machine, with bucket `highlander`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            bucket: "highlander".to_owned(),
            access_key: "highlander-access".to_owned(),
            secret_key: "highlander-secret".to_owned(),
            is_durable: true,
            seed: rand::random(),
        }
    }
}

/// A running server, which ends with this value.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    blobs: Arc<Blobs>,
    faults: Faults,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
    /// Said to held and late writes: they must not take place once the server has ended.
    is_stopping: watch::Sender<bool>,
}

impl Server {
    /// Reads what is in the folder and begins to listen.
    ///
    /// # Errors
    /// When the address is taken, the folder cannot be used, or another server uses it.
    ///
    /// # Cancel safety
    /// Nothing goes on.
    pub async fn start(options: Options) -> io::Result<Self> {
        let (is_stopping, stopping) = watch::channel(false);
        let faults = Faults::new(options.seed);
        let (dir, is_durable) = (options.dir.clone(), options.is_durable);
        let quirks = faults.clone();
        let opening =
            tokio::task::spawn_blocking(move || Blobs::open(&dir, is_durable, quirks, stopping));
        let blobs = Arc::new(opening.await.map_err(io::Error::other)??);
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let counts = Arc::<Counts>::default();
        let service =
            Service::new(&options.bucket, Arc::clone(&blobs), faults.clone()).signed(&options);
        let service =
            connections::Front::new(service, &options, faults.clone(), Arc::clone(&counts));
        let accepting = tokio::spawn(connections::accept(listener, service));
        Ok(Self { address, blobs, faults, counts, accepting, is_stopping })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as an endpoint for S3 clients, which must use paths and not host names for the bucket.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The script of faults. It may outlive the server.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// How many requests of a kind arrived, whatever came of them.
    #[must_use]
    pub fn request_count(&self, operation: Operation) -> u64 {
        self.counts.get(operation)
    }

    /// A blob as it is, past script and signature.
    ///
    /// # Panics
    /// When its file cannot be read.
    #[must_use]
    pub fn blob(&self, key: &str) -> Option<Bytes> {
        self.blobs.read_now(key).expect("the blob's file can be read")
    }

    /// The keys that begin with `prefix`, in the order of their bytes.
    #[must_use]
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.blobs.keys(prefix)
    }

    /// Removes a blob, past script and signature.
    ///
    /// # Panics
    /// When its file cannot be removed.
    ///
    /// # Cancel safety
    /// It is removed all the same.
    pub async fn remove(&self, key: &str) {
        self.blobs.delete(key.to_owned()).await.expect("the blob's file can be removed");
    }

    /// Ends it, as dropping does, and waits until no write is under way and the folder is free.
    ///
    /// # Cancel safety
    /// It ends.
    pub async fn stop(self) {
        let blobs = Arc::downgrade(&self.blobs);
        drop(self);
        while blobs.strong_count() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopping.send_replace(true);
        self.accepting.abort();
    }
}
