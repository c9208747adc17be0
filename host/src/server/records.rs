//! The cluster identity of this node: a blob next to the records names their cluster, and a local file names the
//! cluster that this node was in.
//!
//! The file allows a node to restore what ZooKeeper has lost, even after a restart. Without it, a cluster whose
//! registry was emptied could not be distinguished from another cluster that was given the same bucket by mistake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use highlander_core::registry::Error;
use highlander_core::registry::agreement::{ClusterId, ClusterStore, Identity};
use highlander_core::store::{Condition, PutOutcome, Store};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Name of the blob with the cluster's identity.
const BLOB: &str = "cluster.json";
/// Name of the file in the node's data directory.
const FILE: &str = "cluster.json";

/// Content of the local file, which persists across restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    id: ClusterId,
    /// `registry.connect` at that time.
    registry: String,
    /// Location of the records at that time.
    store: String,
}

/// Configured locations of the registry and the records.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `registry.connect`.
    pub(super) registry: String,
    /// Bucket and prefix.
    pub(super) name: String,
    /// Endpoint of the bucket's server; empty for AWS.
    pub(super) endpoint: String,
}

/// Implementation of [`ClusterStore`] on the node's store and local file.
#[derive(Debug)]
pub(super) struct Records {
    store: Arc<dyn Store>,
    place: Place,
    file: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Cluster of this process, or of an earlier process of this node.
    id: Option<ClusterId>,
    has_joined: bool,
}

impl Records {
    /// Creates it for the records in `store` and a node with this data directory.
    pub(super) fn new(store: Arc<dyn Store>, place: Place, data_dir: &Path) -> Self {
        let file = data_dir.join(FILE);
        let remembered = std::fs::read(&file).ok();
        let remembered: Option<Memory> =
            remembered.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let id = remembered.filter(|memory| *memory == place.memory(memory.id)).map(|m| m.id);
        Self { store, place, file, known: Mutex::new(Known { id, has_joined: false }) }
    }

    /// Writes the file for the next process of this node.
    fn save(&self, id: ClusterId) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(&self.place.memory(id))?;
        let temporary = self.file.with_extension("json.new");
        std::fs::write(&temporary, bytes)?;
        std::fs::rename(&temporary, &self.file)
    }
}

impl Place {
    fn memory(&self, id: ClusterId) -> Memory {
        let store = format!("{}/{}", self.endpoint, self.name);
        Memory { id, registry: self.registry.clone(), store }
    }
}

#[async_trait]
impl ClusterStore for Records {
    fn name(&self) -> &str {
        &self.place.name
    }

    async fn read(&self) -> Result<Option<Identity>, Error> {
        match self.store.get(BLOB).await {
            Ok(None) => Ok(None),
            Ok(Some(blob)) => {
                let place = format!("the blob {BLOB} of the bucket {}", self.place.name);
                Identity::read(&blob.bytes, &place).map(Some)
            }
            Err(error @ highlander_core::store::Error::Unavailable(_)) => {
                Err(Error::Unavailable(error.to_string()))
            }
            Err(
                error @ (highlander_core::store::Error::Denied(_)
                | highlander_core::store::Error::Damaged(_)),
            ) => Err(Error::Denied(error.to_string())),
        }
    }

    async fn write(&self, identity: Identity) -> Result<(), Error> {
        match self.store.put(BLOB, identity.bytes().into(), Condition::Absent).await {
            // If another node wrote the blob first, the caller reads that one next.
            PutOutcome::Applied(_) | PutOutcome::PreconditionFailed => Ok(()),
            PutOutcome::Unknown(why) | PutOutcome::Unavailable(why) => {
                Err(Error::Unavailable(format!("the store does not respond: {why}")))
            }
            PutOutcome::Rejected(why) => {
                Err(Error::Denied(format!("the store rejected the write: {why}")))
            }
        }
    }

    fn known(&self) -> Option<ClusterId> {
        self.known.lock().id
    }

    fn joined(&self) -> Option<ClusterId> {
        let known = self.known.lock();
        known.id.filter(|_| known.has_joined)
    }

    fn remember(&self, id: ClusterId) {
        let before =
            std::mem::replace(&mut *self.known.lock(), Known { id: Some(id), has_joined: true });
        if before.id != Some(id)
            && let Err(error) = self.save(id)
        {
            let file = self.file.display();
            tracing::warn!("cannot save the cluster identity of this node in {file}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_testing::memory::{Memory as Blobs, PutFault};

    fn place() -> Place {
        let (registry, name) = ("zk1:2181/a".to_owned(), "objects/prod".to_owned());
        Place { registry, name, endpoint: String::new() }
    }

    fn records(place: Place, folder: &Path) -> Records {
        Records::new(Arc::new(Blobs::new()), place, folder)
    }

    #[test]
    fn a_node_remembers_its_cluster_for_the_same_registry_and_the_same_bucket_only() {
        let folder = tempfile::tempdir().unwrap();
        let id = ClusterId::new(rand::random());
        let first = records(place(), folder.path());
        assert_eq!((first.known(), first.joined()), (None, None));
        first.remember(id);
        assert_eq!((first.known(), first.joined()), (Some(id), Some(id)));
        let second = records(place(), folder.path());
        assert_eq!((second.known(), second.joined()), (Some(id), None), "it has not joined yet");
        for other in [
            Place { registry: "zk1:2181/b".to_owned(), ..place() },
            Place { name: "objects/test".to_owned(), ..place() },
            Place { endpoint: "http://127.0.0.1:9000".to_owned(), ..place() },
        ] {
            assert_eq!(records(other.clone(), folder.path()).known(), None, "{other:?}");
        }
        std::fs::write(folder.path().join(FILE), "{}").unwrap();
        assert_eq!(records(place(), folder.path()).known(), None);
    }

    #[tokio::test]
    async fn the_first_identity_stays() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::new());
        let records = Records::new(Arc::clone(&blobs) as Arc<dyn Store>, place(), folder.path());
        assert_eq!(records.read().await, Ok(None));
        let (first, second) = (
            Identity::of(ClusterId::new(rand::random())),
            Identity::of(ClusterId::new(rand::random())),
        );
        assert_eq!(records.write(first).await, Ok(()));
        assert_eq!(records.write(second).await, Ok(()));
        assert_eq!(records.read().await, Ok(Some(first)));
        blobs.script_puts([PutFault::Denied, PutFault::LostAnswer]);
        assert!(matches!(records.write(second).await, Err(Error::Denied(_))));
        assert!(matches!(records.write(second).await, Err(Error::Unavailable(_))));
        blobs.plant(BLOB, bytes::Bytes::from_static(b"something else"));
        let refused = records.read().await;
        assert!(matches!(&refused, Err(Error::Denied(why)) if why.contains(BLOB)), "{refused:?}");
    }
}
