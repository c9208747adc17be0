//! How the objects of this node take to the newest revisions of their types: which have failed, and how many have not.
//!
//! It is lost with the process: whoever needs it asks again, and an object that is used again is tried again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::id::ObjectId;

/// Objects that are named for one revision at most; the others are counted.
const NAMED_MAX: usize = 1000;

/// How the objects of this node took to one revision.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Taken {
    /// Objects that read their state with it, or have run a call.
    pub well: usize,
    /// Objects that it failed: those that stay on their own code, and those that it faulted later.
    pub failed: usize,
    /// The keys of objects that stay on their own code, and why.
    pub held_back: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Count {
    revision: u32,
    /// Hashes of ids: what is counted is a rate, not a list.
    well: HashSet<u64>,
    failed: HashSet<u64>,
    held_back: BTreeMap<String, String>,
}

/// The counts of all types.
#[derive(Debug, Default)]
pub(super) struct Tally {
    types: Mutex<HashMap<Box<str>, Count>>,
    hasher: RandomState,
}

impl Tally {
    /// Counts for this revision of a type from now on.
    pub(super) fn begin(&self, type_name: &str, revision: u32) {
        let mut types = self.types();
        if types.get(type_name).is_none_or(|count| count.revision != revision) {
            types.insert(type_name.into(), Count { revision, ..Count::default() });
        }
    }

    pub(super) fn took_well(&self, id: &ObjectId, revision: u32) {
        let hash = self.hasher.hash_one(id.as_str());
        self.with(id, revision, |count| {
            count.well.insert(hash);
            // It may have failed when it was tried before.
            if count.held_back.remove(id.key()).is_some() {
                count.failed.remove(&hash);
            }
        });
    }

    pub(super) fn held_back(&self, id: &ObjectId, revision: u32, why: String) {
        let hash = self.hasher.hash_one(id.as_str());
        self.with(id, revision, |count| {
            count.well.remove(&hash);
            count.failed.insert(hash);
            if count.held_back.len() < NAMED_MAX {
                count.held_back.insert(id.key().to_owned(), why);
            }
        });
    }

    /// The revision failed in an object that had changed over to it.
    pub(super) fn faulted(&self, id: &ObjectId, revision: u32) {
        let hash = self.hasher.hash_one(id.as_str());
        self.with(id, revision, |count| {
            if count.well.contains(&hash) {
                count.failed.insert(hash);
            }
        });
    }

    pub(super) fn taken(&self, type_name: &str, revision: u32) -> Taken {
        let types = self.types();
        let Some(count) = types.get(type_name).filter(|count| count.revision == revision) else {
            return Taken::default();
        };
        Taken {
            well: count.well.difference(&count.failed).count(),
            failed: count.failed.len(),
            held_back: count.held_back.clone(),
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
