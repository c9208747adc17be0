//! Removed types: what their record keeps, and which components can be deployed under the name again.
//!
//! Pure functions on the type's record. The record remains, so that revision numbers and component blob names are
//! never used again, and so that code of another component opens remaining objects only on request.

use crate::caller::Caller;
use crate::caller::call_policy::TypeSet;
use crate::catalog::deploy::{DeployOptions, NewComponent};
use crate::catalog::record::{Removal, RevisionEntry, TypeRecord};
use crate::error::{Error, ErrorCode};
use crate::id::Digest;

impl TypeRecord {
    /// Marks the type as removed. `objects` is the number of its objects.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownType`] if there is no such type, and [`ErrorCode::DeploymentConflict`] while a revision is
    /// being rolled out.
    pub fn remove(&mut self, objects: u64, by: &Caller, now_ms: u64) -> Result<(), Error> {
        if self.removed.is_some() || self.current == 0 {
            return Err(self.gone());
        }
        if let Some(rollout) = &self.rollout
            && !rollout.is_released()
        {
            return Err(self.conflict(rollout));
        }
        self.rollout = None;
        self.removed = Some(Removal { at_ms: now_ms, by: by.to_string(), objects });
        Ok(())
    }

    /// Returns the error for a type that never existed or has been removed.
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
        Error::new(ErrorCode::UnknownType, text)
            .with_hint("deploy its component again: highlander deploy FILE.wasm")
    }

    /// Checks whether this component may be deployed under the name of the removed type. If objects are left, only
    /// the component that last ran them is accepted, unless the deployment is forced.
    ///
    /// # Errors
    /// [`ErrorCode::ComponentRefused`].
    pub fn may_come_again(&self, digest: Digest, options: &DeployOptions) -> Result<(), Error> {
        let Some(removal) = &self.removed else { return Ok(()) };
        let is_same = self.current_entry().is_some_and(|entry| entry.digest == digest);
        if removal.objects == 0 || is_same || options.force {
            return Ok(());
        }
        let text = format!(
            "the type {} was removed by {} with {} objects, which are still in the store, and this is not the last \
             component that they had: it would read their states",
            self.name, removal.by, removal.objects
        );
        Err(Error::new(ErrorCode::ComponentRefused, text)
            .with_hint("deploy that component again, or use --force to deploy this one anyway"))
    }

    /// Deploys a component under the name of the removed type. It is current at once, since no object is live.
    pub(super) fn come_again(
        &mut self,
        component: NewComponent<'_>,
        options: &DeployOptions,
        now_ms: u64,
    ) -> Result<RevisionEntry, Error> {
        let digest = component.digest;
        self.may_come_again(digest, options)?;
        self.forget_keys();
        let is_empty = self.removed.take().is_some_and(|removal| removal.objects == 0);
        let may_call = TypeSet::of_deployer(&options.by);
        let same = self.current_entry().filter(|entry| entry.is_of(digest, &may_call));
        if let Some(entry) = same.filter(|entry| !entry.is_collected).cloned() {
            self.recall(digest);
            self.remember(entry.number, options);
            return Ok(entry);
        }
        let entry = self.add(component, options, now_ms);
        self.current = entry.number;
        if is_empty {
            // No object record written earlier belongs to this type.
            self.first = entry.number;
        }
        Ok(entry)
    }

    /// Whether a revision belongs to the present type, and not to a removed type of the same name.
    #[must_use]
    pub fn has(&self, revision: u32) -> bool {
        revision >= self.first
    }

    /// Rejects a state that was written by a revision of a removed type.
    ///
    /// # Errors
    /// [`ErrorCode::StateUnreadable`].
    pub fn may_open(&self, key: &str, written_with: u32) -> Result<(), Error> {
        if self.has(written_with) {
            return Ok(());
        }
        let name = &self.name;
        let text = format!(
            "{name}/{key} was written by revision {written_with} of a removed type {name}, and the present type \
             {name} cannot open it"
        );
        Err(Error::new(ErrorCode::StateUnreadable, text))
    }
}

#[cfg(test)]
mod tests;
