//! An S3 server for tests and benchmarks: strict, durable, with faults on request.
//!
//! It implements the part of S3 that whole blobs need: PUT with `If-Match` and `If-None-Match: *`, GET, HEAD,
//! DELETE and ListObjectsV2, all signed. Preconditions follow AWS, and a response of 200 means that the blob is on
//! disk. Failures are injected only on request: see [`faults`]. It has one bucket, no versions, no multipart
//! uploads and no access rules, and is not for production.

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

/// Configuration of a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the blobs, created if missing. Only one server at a time may use it.
    pub dir: PathBuf,
    /// Address to listen on; port 0 selects a free port.
    pub address: SocketAddr,
    /// Name of the only bucket.
    pub bucket: String,
    /// Access key of signed requests.
    pub access_key: String,
    /// Secret key of signed requests.
    pub secret_key: String,
    /// Whether a write is synced to disk before the response. Otherwise writes survive the process, but not the
    /// machine.
    pub is_durable: bool,
    /// Seed of random faults.
    pub seed: u64,
}

impl Options {
    /// Returns options for the data of `dir`, on a free port of this machine, with bucket `highlander`.
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

/// A running server, which ends when this value is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    blobs: Arc<Blobs>,
    faults: Faults,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
    /// Signals the stop to held and late writes, which must not take place after the server has ended.
    is_stopping: watch::Sender<bool>,
}

impl Server {
    /// Loads the folder and starts to listen.
    ///
    /// # Errors
    /// If the address is taken, the folder cannot be used, or another server uses it.
    ///
    /// # Cancel safety
    /// Dropping the future stops the start; nothing keeps running.
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

    /// Returns the address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL, an endpoint for S3 clients; they must address the bucket by path, not by host name.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the script of faults, which may outlive the server.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Returns the number of requests of a kind that arrived, whatever their outcome.
    #[must_use]
    pub fn request_count(&self, operation: Operation) -> u64 {
        self.counts.get(operation)
    }

    /// Returns the content of a blob, bypassing script and signature.
    ///
    /// # Panics
    /// If its file cannot be read.
    #[must_use]
    pub fn blob(&self, key: &str) -> Option<Bytes> {
        self.blobs.read_now(key).expect("the blob's file must be readable")
    }

    /// Returns the keys that begin with `prefix`, in byte order.
    #[must_use]
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.blobs.keys(prefix)
    }

    /// Removes a blob, bypassing script and signature.
    ///
    /// # Panics
    /// If its file cannot be removed.
    ///
    /// # Cancel safety
    /// The blob is still removed.
    pub async fn remove(&self, key: &str) {
        self.blobs.delete(key.to_owned()).await.expect("the blob's file must be removable");
    }

    /// Ends the server, as dropping does, and waits until no write is in progress and the folder is free.
    ///
    /// # Cancel safety
    /// The server still ends.
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
