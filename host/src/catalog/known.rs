//! What this node has of one type: its record as last read, and the revisions that are ready to run.
//! It is data and what follows from it: nothing is fetched or compiled here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::record::{RevisionEntry, TypeRecord};
use super::{Choice, Revision, unknown_type};
use crate::engine::Component;
use crate::error::{Code, Error};
use crate::id::{CodeId, Digest, ObjectId};
use crate::store::ETag;

/// One type, as this node knows it. It is replaced as a whole.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) record: TypeRecord,
    pub(super) etag: ETag,
    /// How often changes may have been missed before it was read.
    pub(super) doubts: u64,
    /// By their numbers.
    pub(super) ready: BTreeMap<u32, Arc<Revision>>,
    /// Why a revision that is needed is not ready.
    pub(super) failed: BTreeMap<u32, String>,
}

impl Known {
    /// Which code is to run an object.
    pub(super) fn choose(&self, id: &ObjectId) -> Result<Choice, Error> {
        self.is_there()?;
        let chosen = self.record.chosen(id);
        let fallback = chosen.fallback.and_then(|number| self.ready.get(&number));
        match (self.ready.get(&chosen.wanted), fallback) {
            (Some(wanted), fallback) => Ok(Choice {
                wanted: Arc::clone(wanted),
                fallback: fallback.map(|revision| revision.id()),
            }),
            // This node cannot run what is coming: what is going still can be run.
            (None, Some(previous)) => Ok(Choice { wanted: Arc::clone(previous), fallback: None }),
            (None, None) => Err(self.not_ready(chosen.wanted)),
        }
    }

    /// Refuses what is asked of a type that was removed.
    pub(super) fn is_there(&self) -> Result<(), Error> {
        if self.record.removed.is_some() { Err(self.record.gone()) } else { Ok(()) }
    }

    pub(super) fn current(&self) -> Result<Arc<Revision>, Error> {
        self.is_there()?;
        let current = self.ready.get(&self.record.current);
        current.cloned().ok_or_else(|| self.not_ready(self.record.current))
    }

    /// The entry of the component that has written a record, unless it was removed.
    pub(super) fn entry_of(&self, code: &CodeId) -> Option<&RevisionEntry> {
        let is_it = |entry: &&RevisionEntry| {
            entry.digest == code.component && !entry.is_collected && self.record.has(entry.number)
        };
        let by_number = self.record.entry(code.revision).filter(is_it);
        by_number.or_else(|| self.record.revisions.iter().find(is_it))
    }

    /// The component, if a revision with it is ready.
    pub(super) fn component(&self, digest: Digest) -> Option<Arc<dyn Component>> {
        let found = self.ready.values().find(|revision| revision.digest == digest)?;
        Some(Arc::clone(&found.component))
    }

    fn not_ready(&self, number: u32) -> Error {
        match self.failed.get(&number) {
            Some(why) => {
                let name = &self.record.name;
                let text = format!("revision {number} of {name} cannot be run by this node: {why}");
                Error::new(Code::Internal, text).with_hint("deploy the component again")
            }
            None => unknown_type(self.record.name.as_str()),
        }
    }
}
