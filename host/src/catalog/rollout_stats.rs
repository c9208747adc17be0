//! Statistics of how the objects of this node upgrade to the newest revisions of their types: succeeded and
//! failed.
//!
//! They are lost with the process. A poller queries them again, and an object is tried again when it is used
//! again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use highlander_core::catalog::UpgradeStats;

use highlander_core::id::ObjectId;

/// Maximum number of objects listed by key for one revision; further ones are only counted.
const NAMED_MAX: usize = 1000;

#[derive(Debug, Default)]
struct Count {
    revision: u32,
    /// Hashes of ids, since only their number is needed.
    succeeded: HashSet<u64>,
    failed: HashSet<u64>,
    pinned: BTreeMap<String, String>,
}

/// Statistics of all types.
#[derive(Debug, Default)]
pub(super) struct RolloutStats {
    types: Mutex<HashMap<Box<str>, Count>>,
    hasher: RandomState,
}

impl RolloutStats {
    /// Starts counting for this revision of a type, unless it is already counted.
    pub(super) fn begin(&self, type_name: &str, revision: u32) {
        let mut types = self.types();
        if types.get(type_name).is_none_or(|count| count.revision != revision) {
            types.insert(type_name.into(), Count { revision, ..Count::default() });
        }
    }

    pub(super) fn revision_accepted(&self, id: &ObjectId, revision: u32) {
        let hash = self.hasher.hash_one(id.as_str());
        self.with(id, revision, |count| {
            count.succeeded.insert(hash);
            // An earlier trial of the object may have failed.
            if count.pinned.remove(id.key()).is_some() {
                count.failed.remove(&hash);
            }
        });
    }

    pub(super) fn revision_pinned(&self, id: &ObjectId, revision: u32, why: String) {
        let hash = self.hasher.hash_one(id.as_str());
        self.with(id, revision, |count| {
            count.succeeded.remove(&hash);
            count.failed.insert(hash);
            if count.pinned.len() < NAMED_MAX {
                count.pinned.insert(id.key().to_owned(), why);
            }
        });
    }

    /// Counts a fault of an object that had already changed over to the revision.
    pub(super) fn faulted(&self, id: &ObjectId, revision: u32) {
        let hash = self.hasher.hash_one(id.as_str());
        self.with(id, revision, |count| {
            if count.succeeded.contains(&hash) {
                count.failed.insert(hash);
            }
        });
    }

    pub(super) fn upgrades(&self, type_name: &str, revision: u32) -> UpgradeStats {
        let types = self.types();
        let Some(count) = types.get(type_name).filter(|count| count.revision == revision) else {
            return UpgradeStats::default();
        };
        UpgradeStats {
            succeeded: count.succeeded.difference(&count.failed).count(),
            failed: count.failed.len(),
            pinned: count.pinned.clone(),
        }
    }

    fn with(&self, id: &ObjectId, revision: u32, change: impl FnOnce(&mut Count)) {
        if let Some(count) = self.types().get_mut(id.type_name())
            && count.revision == revision
        {
            change(count);
        }
    }

    fn types(&self) -> MutexGuard<'_, HashMap<Box<str>, Count>> {
        self.types.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
