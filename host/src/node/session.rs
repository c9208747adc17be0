//! One session of the node, with every activation under it.
//!
//! When a session ends, all its activations end. The next session has a separate, empty table, so that no
//! activation can mistake the new session's lease for its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use highlander_core::id::ObjectId;
use highlander_core::registry::claims::ClaimKey;
use parking_lot::RwLock;

use crate::activation::context::SessionContext;
use crate::activation::slot::Slot;

/// A session and its activations.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) ctx: Arc<SessionContext>,
    /// Claims that are being handed over; no object may be activated under them.
    leaving: RwLock<HashSet<ClaimKey>>,
    /// Number of these claims, readable without the lock.
    leaving_count: AtomicUsize,
}

impl Session {
    pub(super) fn new(ctx: Arc<SessionContext>) -> Self {
        Self { ctx, leaving: RwLock::default(), leaving_count: AtomicUsize::new(0) }
    }

    /// Returns the key of the claim that covers `id`.
    pub(super) fn key_of(&self, id: &ObjectId) -> ClaimKey {
        self.ctx.registry.granularity().key_of(id)
    }

    /// Whether the object's claim is being handed over.
    pub(super) fn is_leaving(&self, id: &ObjectId) -> bool {
        if self.leaving_count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let key = self.key_of(id);
        self.leaving.read().contains(&key)
    }

    pub(super) fn mark_leaving(&self, keys: &[ClaimKey]) {
        let mut leaving = self.leaving.write();
        leaving.extend(keys);
        self.leaving_count.store(leaving.len(), Ordering::SeqCst);
    }

    pub(super) fn unmark_leaving(&self, keys: &[ClaimKey]) {
        let mut leaving = self.leaving.write();
        leaving.retain(|key| !keys.contains(key));
        self.leaving_count.store(leaving.len(), Ordering::SeqCst);
    }

    /// Returns every entry, live or not.
    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        self.ctx.table.select(|_| true)
    }
}
