//! One cluster for several tests that leave it as they found it: it lives as long as one of them runs.
//!
//! Tests of one file run one after the other and beside each other, so that most of them meet a cluster that is there.

use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

use super::Cluster;
use super::options::ClusterOptions;

/// A place for a cluster that several tests use.
#[derive(Debug)]
pub struct Shared(Mutex<Weak<Cluster>>);

impl Shared {
    /// Nothing runs yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::const_new(Weak::new()))
    }

    /// The cluster that runs, or a new one.
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
