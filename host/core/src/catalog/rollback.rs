//! Roll-backs: the end of an open roll-out, or a new roll-out of an older revision.
//!
//! Pure functions on the type's record. A roll-back never leads to the revision that an earlier one is leaving,
//! unless the request names it.

use crate::caller::Caller;
use crate::catalog::deploy::DeployOptions;
use crate::catalog::record::{RevisionEntry, TypeRecord};
use crate::catalog::repeated::{Back, RolledBack};
use crate::catalog::rollout::{Rollout, RolloutScope};
use crate::error::{Error, ErrorCode};

impl TypeRecord {
    /// Rolls back the new revision for this reason.
    pub fn revert(&mut self, why: &str) {
        let Some(rollout) = self.withdraw() else { return };
        if let Some(entry) =
            self.revisions.iter_mut().find(|entry| entry.number == rollout.revision)
        {
            entry.rolled_back = Some(why.to_owned());
        }
    }

    /// Ends the roll-out: the previous revision is current.
    fn withdraw(&mut self) -> Option<Rollout> {
        let rollout = self.rollout.take()?;
        self.current = rollout.previous;
        Some(rollout)
    }

    /// Makes an older revision current: `back.to`, or by default the one before the present revision. During a
    /// roll-back, the present revision is the one that is being rolled back to.
    ///
    /// # Errors
    /// [`ErrorCode::RevisionNotFound`] if there is no such revision; [`ErrorCode::UnknownType`] if the type was
    /// removed; [`ErrorCode::DeploymentConflict`] if another revision is being rolled out.
    pub fn roll_back(&mut self, back: &Back, now_ms: u64) -> Result<RolledBack, Error> {
        let done = self.go_back(back.to, &back.by, now_ms)?;
        self.remember_back(done.revision, back);
        Ok(done)
    }

    fn go_back(&mut self, to: Option<u32>, by: &Caller, now_ms: u64) -> Result<RolledBack, Error> {
        if self.removed.is_some() {
            return Err(self.gone());
        }
        let ends_open = |open: &&Rollout| to.map_or(!open.is_back(), |to| to == open.previous);
        if let Some(open) = self.rollout.as_ref().filter(ends_open) {
            let revision = open.previous;
            // A cancelled roll-back is no reason against the revision that it went back to.
            if open.is_back() {
                self.withdraw();
            } else {
                self.revert(&format!("rolled back by {by}"));
            }
            return Ok(RolledBack { revision, is_new: true });
        }
        let present = self.rollout.as_ref().map_or(self.current, |open| open.revision);
        let is_good = |entry: &&RevisionEntry| {
            entry.rolled_back.is_none() && !entry.is_collected && self.has(entry.number)
        };
        let found = match to {
            Some(to) => self.entry(to).filter(|entry| self.has(entry.number)),
            None => {
                let older = self.revisions.iter().rev().filter(|entry| entry.number < present);
                let present = self.entry(present);
                let is_same = |entry: &RevisionEntry| {
                    present.is_some_and(|present| entry.is_of(present.digest, &present.may_call))
                };
                older.filter(is_good).find(|entry| !is_same(entry))
            }
        };
        let entry = found.ok_or_else(|| self.no_such_revision(to))?;
        let is_coming =
            |open: &Rollout| open.revision == entry.number && open.scope == RolloutScope::All;
        if self.rollout.as_ref().is_some_and(is_coming) {
            return Ok(RolledBack { revision: entry.number, is_new: false });
        }
        if entry.is_collected {
            let text =
                format!("the code of revision {} of {} was removed", entry.number, self.name);
            return Err(Error::new(ErrorCode::RevisionNotFound, text)
                .with_hint("deploy its component again: highlander deploy FILE.wasm"));
        }
        let revision = entry.number;
        if revision == self.current && self.rollout.is_none() {
            return Ok(RolledBack { revision, is_new: false });
        }
        // Without `to`, the open roll-out is a roll-back: the request goes back one more revision.
        let is_conflict = |open: &&Rollout| to.is_some() && !open.is_released();
        if let Some(open) = self.rollout.as_ref().filter(is_conflict) {
            return Err(self.conflict(open));
        }
        let options = DeployOptions {
            failures_per_mille_max: None,
            by: by.clone(),
            ..DeployOptions::default()
        };
        self.begin(revision, &options, now_ms);
        Ok(RolledBack { revision, is_new: true })
    }

    fn no_such_revision(&self, to: Option<u32>) -> Error {
        let text = match to {
            Some(to) => format!("{} has no revision {to}", self.name),
            None => format!("{} has no older revision to roll back to", self.name),
        };
        let hint = format!("list its revisions: highlander types {}", self.name);
        Error::new(ErrorCode::RevisionNotFound, text).with_hint(hint)
    }
}

#[cfg(test)]
mod tests;
