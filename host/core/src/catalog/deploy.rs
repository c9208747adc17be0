//! Deployments and the roll-outs that they begin: changes of the type's record, and the choice of the revision that
//! runs an object. Pure functions.

use crate::caller::Caller;
use crate::caller::call_policy::TypeSet;
use crate::catalog::record::{RevisionEntry, TypeRecord};
use crate::catalog::rollout::{Rollout, RolloutScope, Stage};
use crate::engine::Description;
use crate::error::{Error, ErrorCode};
use crate::id::{Digest, ObjectId};

/// Outcome of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Revision that is current now or is being rolled out.
    pub revision: u32,
    /// Objects that take part in its roll-out; all if there is none.
    pub scope: RolloutScope,
    /// Whether anything changed, apart from the stored keys.
    pub is_new: bool,
}

/// Component of a deployment.
#[derive(Debug, Clone, Copy)]
pub struct NewComponent<'a> {
    /// Digest of the file.
    pub digest: Digest,
    /// Size of the file in bytes.
    pub size: u64,
    /// Its description of the type.
    pub description: &'a Description,
}

/// Options of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployOptions {
    /// Whether to deploy a component that is not compatible with the present revision.
    pub force: bool,
    /// Objects that take part.
    pub scope: RolloutScope,
    /// Number of failed objects per thousand above which the revision is rolled back; `None` disables the
    /// roll-back.
    pub failures_per_mille_max: Option<u16>,
    /// Caller that requested it.
    pub by: Caller,
    /// Idempotency key of the deployment.
    pub key: Option<String>,
}

/// Default for the number of objects per thousand that may fail.
pub const FAILURES_PER_MILLE_MAX: u16 = 10;

impl Default for DeployOptions {
    fn default() -> Self {
        Self {
            force: false,
            scope: RolloutScope::All,
            failures_per_mille_max: Some(FAILURES_PER_MILLE_MAX),
            by: Caller::Anonymous,
            key: None,
        }
    }
}

/// Revisions selected for one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedRevision {
    /// Revision that should run the object.
    pub wanted: u32,
    /// Revision to continue with if `wanted` fails and the object has not adopted any code yet.
    pub fallback: Option<u32>,
}

impl TypeRecord {
    /// Returns the revision that should run an object.
    #[must_use]
    pub fn resolve(&self, id: &ObjectId) -> ResolvedRevision {
        match &self.rollout {
            Some(rollout) if rollout.stage != Stage::Preparing && rollout.scope.includes(id) => {
                ResolvedRevision { wanted: rollout.revision, fallback: Some(rollout.previous) }
            }
            _ => ResolvedRevision { wanted: self.current, fallback: None },
        }
    }

    /// Returns the revisions that objects may need now or soon; none for a removed type.
    pub fn needed(&self) -> impl Iterator<Item = &RevisionEntry> {
        let coming = self.rollout.as_ref().map(|rollout| [rollout.revision, rollout.previous]);
        let numbers = coming.into_iter().flatten().chain([self.current]);
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        let numbers = numbers.into_iter().filter(|_| self.removed.is_none());
        numbers.filter_map(|number| self.entry(number))
    }

    /// Applies a deployment to the record. If the component is already deployed with these options, only stores the
    /// key. A released component that would now have another limit of its calls becomes a new revision: the limit of
    /// a revision never changes.
    ///
    /// # Errors
    /// [`ErrorCode::DeploymentConflict`] if another revision is being rolled out, or this one is being rolled out for
    /// all objects and is requested for a part of them.
    pub fn deploy(
        &mut self,
        component: NewComponent<'_>,
        options: &DeployOptions,
        now_ms: u64,
    ) -> Result<Released, Error> {
        let digest = component.digest;
        let may_call = TypeSet::of_deployer(&options.by);
        if self.removed.is_some() {
            let entry = self.come_again(component, options, now_ms)?;
            return Ok(Released { is_new: true, ..self.released(entry.number) });
        }
        if let Some(rollout) = self.rollout.clone() {
            let coming = rollout.revision;
            let entry = self.entry(coming).filter(|entry| entry.digest == digest);
            if entry.is_some_and(|entry| !rollout.is_released() || entry.may_call == may_call) {
                let is_new = self.adjust(rollout, options, now_ms)?;
                self.remember(coming, options);
                return Ok(Released { is_new, ..self.released(coming) });
            }
            if !rollout.is_released() {
                return Err(self.conflict(&rollout));
            }
            self.rollout = None;
        }
        if self.entry(self.current).is_some_and(|entry| entry.is_of(digest, &may_call)) {
            self.remember(self.current, options);
            return Ok(self.released(self.current));
        }
        let previous = self.current;
        let entry = self.add(component, options, now_ms);
        if previous == 0 {
            self.current = entry.number;
        } else {
            self.begin(entry.number, options, now_ms);
        }
        Ok(Released { is_new: true, ..self.released(entry.number) })
    }

    /// Appends a revision.
    pub(super) fn add(
        &mut self,
        component: NewComponent<'_>,
        options: &DeployOptions,
        now_ms: u64,
    ) -> RevisionEntry {
        let NewComponent { digest, size, description } = component;
        let number = self.revisions.last().map_or(1, |newest| newest.number + 1);
        let copy = self.copy_of(digest);
        self.recall(digest);
        let entry = RevisionEntry {
            number,
            digest,
            deployed_at_ms: now_ms,
            deployed_by: options.by.to_string(),
            may_call: TypeSet::of_deployer(&options.by),
            keys: options.key.iter().cloned().collect(),
            size,
            rolled_back: None,
            copy,
            retired_at_ms: None,
            is_collected: false,
            description: description.clone(),
        };
        self.revisions.push(entry.clone());
        entry
    }

    /// Returns the outcome of a deployment that led to this revision and changed nothing.
    #[must_use]
    pub fn released(&self, revision: u32) -> Released {
        let open = self.rollout.as_ref().filter(|open| open.revision == revision);
        let scope = open.map_or(RolloutScope::All, |open| open.scope.clone());
        Released { revision, scope, is_new: false }
    }

    /// Changes the share and the failure limit of the roll-out. Returns whether anything changed.
    fn adjust(
        &mut self,
        rollout: Rollout,
        options: &DeployOptions,
        now_ms: u64,
    ) -> Result<bool, Error> {
        let limit = options.failures_per_mille_max;
        let is_narrowed = rollout.scope == RolloutScope::All && options.scope != RolloutScope::All;
        if is_narrowed && !rollout.is_released() {
            return Err(self.not_a_canary(&rollout));
        }
        // With a failure limit, a roll-back could itself be rolled back: to the revision that it replaces.
        if is_narrowed || rollout.is_back() {
            return Ok(false);
        }
        let (stage, since_ms) = match (rollout.scope == options.scope, rollout.stage) {
            (true, _) if rollout.failures_per_mille_max == limit => return Ok(false),
            (true, stage) => (stage, rollout.since_ms),
            (false, Stage::Preparing) => (Stage::Preparing, now_ms),
            (false, Stage::Rolling | Stage::Verifying) => (Stage::Rolling, now_ms),
        };
        if stage == Stage::Rolling && options.scope == RolloutScope::All {
            self.current = rollout.revision;
        }
        let scope = options.scope.clone();
        let failures_per_mille_max = limit;
        self.rollout = Some(Rollout { stage, scope, failures_per_mille_max, since_ms, ..rollout });
        Ok(true)
    }

    fn not_a_canary(&self, rollout: &Rollout) -> Error {
        let (name, coming) = (&self.name, rollout.revision);
        let text = format!(
            "revision {coming} of {name} is being rolled out for all objects, and cannot become a canary"
        );
        Error::new(ErrorCode::DeploymentConflict, text)
            .with_hint(format!("to stop it: highlander rollback {name} --to {}", rollout.previous))
    }

    pub(super) fn begin(&mut self, revision: u32, options: &DeployOptions, now_ms: u64) {
        for number in [revision, self.current] {
            if let Some(digest) = self.entry(number).map(|entry| entry.digest) {
                self.recall(digest);
            }
        }
        self.rollout = Some(Rollout {
            revision,
            previous: self.current,
            stage: Stage::Preparing,
            scope: options.scope.clone(),
            failures_per_mille_max: options.failures_per_mille_max,
            since_ms: now_ms,
            by: options.by.to_string(),
        });
    }

    pub(super) fn conflict(&self, rollout: &Rollout) -> Error {
        let (name, coming) = (&self.name, rollout.revision);
        if rollout.is_back() {
            let text = format!("{name} is being rolled back to revision {coming}");
            return Error::new(ErrorCode::DeploymentConflict, text).with_hint(format!(
                "wait until every node serves it, or cancel that: \
                 highlander rollback {name} --to {}",
                rollout.previous
            ));
        }
        let text = match rollout.scope {
            RolloutScope::All => format!("revision {coming} of {name} is being rolled out"),
            _ => format!("revision {coming} of {name} is being tried on some of its objects"),
        };
        Error::new(ErrorCode::DeploymentConflict, text).with_hint(format!(
            "deploy that one without --canary, wait until it is fully rolled out, or roll it back: highlander \
             rollback {name}"
        ))
    }

    /// Starts the stage rolling, once every node is ready.
    pub fn roll(&mut self, now_ms: u64) {
        if let Some(rollout) = &mut self.rollout {
            rollout.stage = Stage::Rolling;
            rollout.since_ms = now_ms;
            if rollout.scope == RolloutScope::All {
                self.current = rollout.revision;
            }
        }
    }

    /// Starts the stage watching, once every node serves the revision.
    pub fn watch(&mut self, now_ms: u64) {
        if let Some(rollout) = &mut self.rollout {
            rollout.stage = Stage::Verifying;
            rollout.since_ms = now_ms;
        }
    }

    /// Ends the roll-out: the new revision is accepted.
    pub fn close(&mut self) {
        self.rollout = None;
    }
}

#[cfg(test)]
mod tests;
