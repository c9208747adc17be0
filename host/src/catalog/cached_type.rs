//! Cached view of one type: its record as last read, and the revisions that are ready to run. Pure data, without
//! I/O or compilation.

use std::collections::BTreeMap;
use std::sync::Arc;

use highlander_core::catalog::record::{RevisionEntry, TypeRecord};
use highlander_core::catalog::unknown_type;
use highlander_core::engine::Component;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{CodeId, Digest, ObjectId};
use highlander_core::store::ETag;

use super::revision::{Choice, Revision};

/// Cached view of a type, always replaced as a whole.
#[derive(Debug, Clone)]
pub(super) struct CachedType {
    pub(super) record: Arc<TypeRecord>,
    pub(super) etag: ETag,
    /// Value of the catalog's `doubts` when the record was read.
    pub(super) generation: u64,
    /// Revisions ready to run, by number.
    pub(super) ready: BTreeMap<u32, Arc<Revision>>,
    /// Reasons why needed revisions are not ready, by number.
    pub(super) failed: BTreeMap<u32, String>,
}

impl CachedType {
    /// Returns the code that should run an object.
    pub(super) fn resolve(&self, id: &ObjectId) -> Result<Choice, Error> {
        self.is_there()?;
        let chosen = self.record.resolve(id);
        let fallback = chosen.fallback.and_then(|number| self.ready.get(&number));
        match (self.ready.get(&chosen.wanted), fallback) {
            (Some(wanted), fallback) => Ok(Choice {
                wanted: Arc::clone(wanted),
                fallback: fallback.map(|revision| revision.id()),
            }),
            // This node cannot run the new revision, so the object continues with the previous one.
            (None, Some(previous)) => Ok(Choice { wanted: Arc::clone(previous), fallback: None }),
            (None, None) => Err(self.not_ready(chosen.wanted)),
        }
    }

    /// Returns an error if the type has been removed.
    pub(super) fn is_there(&self) -> Result<(), Error> {
        if self.record.removed.is_some() { Err(self.record.gone()) } else { Ok(()) }
    }

    pub(super) fn current(&self) -> Result<Arc<Revision>, Error> {
        self.is_there()?;
        let current = self.ready.get(&self.record.current);
        current.cloned().ok_or_else(|| self.not_ready(self.record.current))
    }

    /// Returns the entry of the component that has written a record, unless the component has been collected.
    pub(super) fn entry_of(&self, code: &CodeId) -> Option<&RevisionEntry> {
        let is_it = |entry: &&RevisionEntry| {
            entry.digest == code.component && !entry.is_collected && self.record.has(entry.number)
        };
        let by_number = self.record.entry(code.revision).filter(is_it);
        by_number.or_else(|| self.record.revisions.iter().find(is_it))
    }

    /// Returns the component, if a revision that uses it is ready.
    pub(super) fn component(&self, digest: Digest) -> Option<Arc<dyn Component>> {
        let found = self.ready.values().find(|revision| revision.digest == digest)?;
        Some(Arc::clone(&found.component))
    }

    fn not_ready(&self, number: u32) -> Error {
        match self.failed.get(&number) {
            Some(why) => {
                let name = &self.record.name;
                let text = format!("this node cannot run revision {number} of {name}: {why}");
                Error::new(ErrorCode::Internal, text).with_hint("deploy the component again")
            }
            None => unknown_type(self.record.name.as_str()),
        }
    }
}
