//! Types that were removed: what the record keeps, and what may be deployed under the name again.
//!
//! Pure, as all changes of a type's record. The record stays, so that the numbers of revisions and the names of
//! components' blobs are never used again, and so that objects which are left are not opened by other code unasked.

use serde::{Deserialize, Serialize};

use super::record::{RevisionEntry, TypeRecord};
use super::rollout::{Share, Stage, Terms};
use crate::caller::Caller;
use crate::engine::Description;
use crate::error::{Code, Error};
use crate::id::Digest;

/// That a type was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who asked for it.
    pub by: String,
    /// How many objects were left, as far as they were counted.
    pub objects: u64,
}

impl TypeRecord {
    /// Removes the type, which has so many objects.
    ///
    /// # Errors
    /// [`Code::UnknownType`] where there is none, and [`Code::DeploymentConflict`] while a revision is on its way.
    pub fn remove(&mut self, objects: u64, by: &Caller, now_ms: u64) -> Result<(), Error> {
        if self.removed.is_some() || self.current == 0 {
            return Err(self.gone());
        }
        if let Some(rollout) = &self.rollout
            && (rollout.stage != Stage::Watching || rollout.share != Share::All)
        {
            return Err(self.conflict(rollout));
        }
        self.rollout = None;
        self.removed = Some(Removal { at_ms: now_ms, by: by.to_string(), objects });
        Ok(())
    }

    /// That there is no such type, or none any more.
    #[must_use]
    pub fn gone(&self) -> Error {
        let Some(removal) = &self.removed else {
            return super::unknown_type(self.name.as_str());
        };
        let left = match removal.objects {
            0 => String::new(),
            count => format!(", with {count} objects, which are still in the store"),
        };
        let text = format!("the type {} was removed by {}{left}", self.name, removal.by);
        Error::new(Code::UnknownType, text)
            .with_hint("deploy its component again: highlander deploy FILE.wasm")
    }

    /// Whether this component may be deployed where the type was removed: where objects are left, only the code that
    /// had them last, unless it is meant.
    ///
    /// # Errors
    /// [`Code::ComponentRefused`].
    pub fn may_come_again(&self, digest: Digest, terms: &Terms) -> Result<(), Error> {
        let Some(removal) = &self.removed else { return Ok(()) };
        let is_same = self.current_entry().is_some_and(|entry| entry.digest == digest);
        if removal.objects == 0 || is_same || terms.force {
            return Ok(());
        }
        let text = format!(
            "the type {} was removed by {} with {} objects, which are still in the store, and this is not the \
             component that they had last: it would read their states",
            self.name, removal.by, removal.objects
        );
        Err(Error::new(Code::ComponentRefused, text)
            .with_hint("deploy that component again, or this one with --force if that is meant"))
    }

    /// Takes in a component where the type was removed: it serves at once, since no object is live.
    pub(super) fn come_again(
        &mut self,
        digest: Digest,
        size: u64,
        description: &Description,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<RevisionEntry, Error> {
        self.may_come_again(digest, terms)?;
        let is_empty = self.removed.take().is_some_and(|removal| removal.objects == 0);
        let same = self.current_entry().filter(|entry| entry.digest == digest);
        if let Some(entry) = same.filter(|entry| !entry.is_collected).cloned() {
            self.recall(digest);
            self.remember(entry.number, terms);
            return Ok(entry);
        }
        let entry = self.add(digest, size, description.clone(), terms, now_ms);
        self.current = entry.number;
        if is_empty {
            // Nothing that was written before belongs to this one.
            self.first = entry.number;
        }
        Ok(entry)
    }

    /// Whether a revision is one of the type as it is now, and not of one of the same name that was removed before.
    #[must_use]
    pub fn has(&self, revision: u32) -> bool {
        revision >= self.first
    }

    /// Refuses a state that was written by a revision of a type that was removed.
    ///
    /// # Errors
    /// [`Code::StateUnreadable`].
    pub fn may_open(&self, key: &str, written_with: u32) -> Result<(), Error> {
        if self.has(written_with) {
            return Ok(());
        }
        let name = &self.name;
        let text = format!(
            "{name}/{key} was written by revision {written_with} of a type {name} that was removed, and is not opened \
             by the one that is there now"
        );
        Err(Error::new(Code::StateUnreadable, text))
    }
}

#[cfg(test)]
mod tests;
