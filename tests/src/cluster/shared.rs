//! A cluster shared by tests that leave it as they found it. It lives as long as one of them runs.
//!
//! The tests of one file run in succession and concurrently, so most of them find a running cluster.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::Cluster;
use super::options::ClusterOptions;

/// A slot for a cluster that several tests use.
#[derive(Debug)]
pub struct Shared(Mutex<Weak<Cluster>>);

impl Shared {
    /// Creates an empty slot.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::const_new(Weak::new()))
    }

    /// Returns the running cluster, or starts one.
    pub async fn get(&self, options: impl FnOnce() -> ClusterOptions) -> Arc<Cluster> {
        let mut place = self.0.lock().await;
        if let Some(cluster) = place.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Cluster::start(options()).await);
        *place = Arc::downgrade(&cluster);
        cluster
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}
