//! Roll-out of a revision: its stages, and the objects that take part. Pure functions on the type's record.

use serde::{Deserialize, Serialize};

use super::record::{RevisionEntry, TypeRecord};
use super::repeated::Back;
use crate::caller::Caller;
use crate::engine::Description;
use crate::error::{Code, Error};
use crate::id::{Digest, ObjectId};

/// Stage of a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The nodes fetch and compile the revision. No object runs it yet.
    Preparing,
    /// Objects change over to the revision.
    Rolling,
    /// Every node serves the revision. Failures are still counted, and too many cause a roll-back.
    Watching,
}

/// Objects of the type that take part in a roll-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// All objects.
    All,
    /// Percentage of the objects, selected by the hash of their ids: a larger share contains every smaller one.
    Percent(u8),
    /// Objects with these keys.
    Keys(Vec<String>),
}

impl Share {
    /// Whether the object takes part.
    #[must_use]
    pub fn includes(&self, id: &ObjectId) -> bool {
        match self {
            Self::All => true,
            Self::Percent(percent) => {
                let [first, second, ..] = *Digest::of(id.as_str().as_bytes()).as_bytes();
                u32::from(u16::from_be_bytes([first, second])) * 100 < u32::from(*percent) << 16
            }
            Self::Keys(keys) => keys.iter().any(|key| key == id.key()),
        }
    }
}

/// Roll-out: one revision replaces another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// New revision.
    pub revision: u32,
    /// Revision that it replaces.
    pub previous: u32,
    /// Current stage.
    pub stage: Stage,
    /// Objects that take part.
    pub share: Share,
    /// Number of failed objects per thousand above which the revision is rolled back; `None` disables the
    /// roll-back.
    pub failures_per_mille_max: Option<u16>,
    /// Start of the stage, in milliseconds since 1970.
    pub since_ms: u64,
    /// Principal that requested it.
    pub by: String,
}

/// Options of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whether to deploy a component that is not compatible with the present revision.
    pub force: bool,
    /// Objects that take part.
    pub share: Share,
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

impl Default for Terms {
    fn default() -> Self {
        Self {
            force: false,
            share: Share::All,
            failures_per_mille_max: Some(FAILURES_PER_MILLE_MAX),
            by: Caller::Anonymous,
            key: None,
        }
    }
}

/// Revisions selected for one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Revision that should run the object.
    pub wanted: u32,
    /// Revision to continue with if `wanted` fails and the object has not adopted any code yet.
    pub fallback: Option<u32>,
}

impl TypeRecord {
    /// Returns the revision that should run an object.
    #[must_use]
    pub fn chosen(&self, id: &ObjectId) -> Chosen {
        match &self.rollout {
            Some(rollout) if rollout.stage != Stage::Preparing && rollout.share.includes(id) => {
                Chosen { wanted: rollout.revision, fallback: Some(rollout.previous) }
            }
            _ => Chosen { wanted: self.current, fallback: None },
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

    /// Applies a deployment to the record. Returns `None` if the component is already deployed with the same
    /// share.
    ///
    /// # Errors
    /// [`Code::DeploymentConflict`] if another revision is being rolled out.
    pub fn deploy(
        &mut self,
        digest: Digest,
        size: u64,
        description: &Description,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<Option<RevisionEntry>, Error> {
        if self.removed.is_some() {
            return self.come_again(digest, size, description, terms, now_ms).map(Some);
        }
        if let Some(rollout) = self.rollout.clone() {
            let coming = self.entry(rollout.revision).filter(|entry| entry.digest == digest);
            match coming.cloned() {
                Some(_) if rollout.share == terms.share => return Ok(None),
                Some(entry) => {
                    self.remember(entry.number, terms);
                    self.widen(rollout, terms, now_ms);
                    return Ok(Some(entry));
                }
                None if rollout.stage == Stage::Watching && rollout.share == Share::All => {
                    self.rollout = None;
                }
                None => return Err(self.conflict(&rollout)),
            }
        }
        if self.entry(self.current).is_some_and(|entry| entry.digest == digest) {
            return Ok(None);
        }
        let previous = self.current;
        let entry = self.add(digest, size, description.clone(), terms, now_ms);
        if previous == 0 {
            self.current = entry.number;
        } else {
            self.begin(entry.number, terms, now_ms);
        }
        Ok(Some(entry))
    }

    /// Extends the roll-out to another share of the objects.
    fn widen(&mut self, rollout: Rollout, terms: &Terms, now_ms: u64) {
        let stage = match rollout.stage {
            Stage::Preparing => Stage::Preparing,
            Stage::Rolling | Stage::Watching => Stage::Rolling,
        };
        if stage == Stage::Rolling && terms.share == Share::All {
            self.current = rollout.revision;
        }
        self.rollout =
            Some(Rollout { stage, share: terms.share.clone(), since_ms: now_ms, ..rollout });
    }

    fn begin(&mut self, revision: u32, terms: &Terms, now_ms: u64) {
        for number in [revision, self.current] {
            if let Some(digest) = self.entry(number).map(|entry| entry.digest) {
                self.recall(digest);
            }
        }
        self.rollout = Some(Rollout {
            revision,
            previous: self.current,
            stage: Stage::Preparing,
            share: terms.share.clone(),
            failures_per_mille_max: terms.failures_per_mille_max,
            since_ms: now_ms,
            by: terms.by.to_string(),
        });
    }

    pub(super) fn conflict(&self, rollout: &Rollout) -> Error {
        let (name, coming) = (&self.name, rollout.revision);
        let text = match rollout.share {
            Share::All => format!("revision {coming} of {name} is being rolled out"),
            _ => format!("revision {coming} of {name} is being tried on some of its objects"),
        };
        Error::new(Code::DeploymentConflict, text).with_hint(format!(
            "deploy that one without --canary, wait until it is fully rolled out, or roll it back: highlander \
             rollback {name}"
        ))
    }

    /// Starts the stage rolling, once every node is ready.
    pub fn roll(&mut self, now_ms: u64) {
        if let Some(rollout) = &mut self.rollout {
            rollout.stage = Stage::Rolling;
            rollout.since_ms = now_ms;
            if rollout.share == Share::All {
                self.current = rollout.revision;
            }
        }
    }

    /// Starts the stage watching, once every node serves the revision.
    pub fn watch(&mut self, now_ms: u64) {
        if let Some(rollout) = &mut self.rollout {
            rollout.stage = Stage::Watching;
            rollout.since_ms = now_ms;
        }
    }

    /// Ends the roll-out: the new revision is accepted.
    pub fn close(&mut self) {
        self.rollout = None;
    }

    /// Rolls back the new revision for this reason.
    pub fn revert(&mut self, why: &str) {
        let Some(rollout) = self.rollout.take() else { return };
        self.current = rollout.previous;
        if let Some(entry) =
            self.revisions.iter_mut().find(|entry| entry.number == rollout.revision)
        {
            entry.taken_back = Some(why.to_owned());
        }
    }

    /// Makes an older revision current: `back.to`, or by default the one before the present revision. Returns its
    /// number.
    ///
    /// # Errors
    /// [`Code::RevisionNotFound`] if there is no such revision; [`Code::UnknownType`] if the type was removed;
    /// [`Code::DeploymentConflict`] if another revision is being rolled out.
    pub fn roll_back(&mut self, back: &Back, now_ms: u64) -> Result<u32, Error> {
        let revision = self.go_back(back.to, &back.by, now_ms)?;
        self.remember_back(revision, back);
        Ok(revision)
    }

    fn go_back(&mut self, to: Option<u32>, by: &Caller, now_ms: u64) -> Result<u32, Error> {
        if self.removed.is_some() {
            return Err(self.gone());
        }
        if let Some(rollout) = &self.rollout
            && to.is_none_or(|to| to == rollout.previous)
        {
            let to = rollout.previous;
            self.revert(&format!("rolled back by {by}"));
            return Ok(to);
        }
        let is_good = |entry: &&RevisionEntry| {
            entry.taken_back.is_none() && !entry.is_collected && self.has(entry.number)
        };
        let found = match to {
            Some(to) => self.entry(to).filter(|entry| self.has(entry.number)),
            None => {
                let older = self.revisions.iter().rev().filter(|e| e.number < self.current);
                let present = self.entry(self.current).map(|entry| entry.digest);
                older.filter(is_good).find(|entry| Some(entry.digest) != present)
            }
        };
        let entry = found.ok_or_else(|| self.no_such_revision(to))?;
        let is_coming = |open: &Rollout| open.revision == entry.number && open.share == Share::All;
        if self.rollout.as_ref().is_some_and(is_coming) {
            return Ok(entry.number);
        }
        if entry.is_collected {
            let text =
                format!("the code of revision {} of {} was removed", entry.number, self.name);
            return Err(Error::new(Code::RevisionNotFound, text)
                .with_hint("deploy its component again: highlander deploy FILE.wasm"));
        }
        let to = entry.number;
        if to == self.current && self.rollout.is_none() {
            return Ok(to);
        }
        if let Some(rollout) = &self.rollout
            && (rollout.stage != Stage::Watching || rollout.share != Share::All)
        {
            return Err(self.conflict(rollout));
        }
        let terms = Terms { failures_per_mille_max: None, by: by.clone(), ..Terms::default() };
        self.begin(to, &terms, now_ms);
        Ok(to)
    }

    fn no_such_revision(&self, to: Option<u32>) -> Error {
        let text = match to {
            Some(to) => format!("{} has no revision {to}", self.name),
            None => format!("{} has no older revision to roll back to", self.name),
        };
        let hint = format!("list its revisions: highlander types {}", self.name);
        Error::new(Code::RevisionNotFound, text).with_hint(hint)
    }
}
