//! Progress of this node with the newest revision of each type; the only place that holds it.
//!
//! It is lost with the process. A coordinator queries it again, and an object is tried again when it is used again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use highlander_core::catalog::UpgradeStats;
use highlander_core::id::ObjectId;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Maximum number of objects listed by key for one revision; further ones are only counted.
const NAMED_MAX: usize = 1000;

/// Generations of a type's record of which the live objects have been notified, and which they have tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Passes {
    pub(super) notified: u64,
    pub(super) probed: u64,
}

/// Progress with one type.
#[derive(Debug, Default)]
struct TypeProgress {
    passes: Passes,
    revision: u32,
    /// Hashes of ids, since only their number is needed.
    succeeded: HashSet<u64>,
    failed: HashSet<u64>,
    pinned: BTreeMap<String, String>,
}

/// Progress with all types.
#[derive(Debug, Default)]
pub(super) struct ProgressTable {
    types: Mutex<HashMap<Box<str>, TypeProgress>>,
    hasher: RandomState,
    changes: watch::Sender<()>,
}

impl ProgressTable {
    /// Returns a channel that reports every change.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Reports a change of what the catalog knows of a type, which is part of the progress.
    pub(super) fn type_changed(&self) {
        self.changes.send_replace(());
    }

    pub(super) fn passes(&self, type_name: &str) -> Passes {
        self.types.lock().get(type_name).map(|count| count.passes).unwrap_or_default()
    }

    /// Records that every live object runs the revision of this generation at its next call.
    pub(super) fn applied(&self, type_name: &str, generation: u64) {
        self.pass(type_name, |passes| passes.notified = generation);
    }

    /// Records that every live object has tried the revision of this generation.
    pub(super) fn probed(&self, type_name: &str, generation: u64) {
        self.pass(type_name, |passes| passes.probed = generation);
    }

    fn pass(&self, type_name: &str, change: impl FnOnce(&mut Passes)) {
        change(&mut self.types.lock().entry(type_name.into()).or_default().passes);
        self.changes.send_replace(());
    }

    /// Starts counting for this revision of a type, unless it is already counted.
    pub(super) fn begin(&self, type_name: &str, revision: u32) {
        let mut types = self.types.lock();
        let count = types.entry(type_name.into()).or_default();
        if count.revision != revision {
            *count = TypeProgress { revision, passes: count.passes, ..TypeProgress::default() };
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
        let types = self.types.lock();
        let Some(count) = types.get(type_name).filter(|count| count.revision == revision) else {
            return UpgradeStats::default();
        };
        UpgradeStats {
            succeeded: count.succeeded.difference(&count.failed).count(),
            failed: count.failed.len(),
            pinned: count.pinned.clone(),
        }
    }

    fn with(&self, id: &ObjectId, revision: u32, change: impl FnOnce(&mut TypeProgress)) {
        if let Some(count) = self.types.lock().get_mut(id.type_name())
            && count.revision == revision
        {
            change(count);
        } else {
            return;
        }
        self.changes.send_replace(());
    }
}
