//! How a revision takes the place of another: the stages of a roll-out, and which objects take part.
//!
//! Pure: each change of a type's record is a function here; who makes it, and when, is decided elsewhere.

use serde::{Deserialize, Serialize};

use super::record::{RevisionEntry, TypeRecord};
use crate::caller::Caller;
use crate::engine::Description;
use crate::error::{Code, Error};
use crate::id::{Digest, ObjectId};

/// How far a roll-out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The nodes fetch and compile the revision. No object runs it.
    Preparing,
    /// Objects change over.
    Rolling,
    /// Every node serves it. Failures are still counted, and too many take it back.
    Watching,
}

/// Which objects of the type take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// All.
    All,
    /// This many of a hundred, chosen by the hash of their ids: a larger share holds every smaller one.
    Percent(u8),
    /// Those with these keys.
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

/// A revision that is taking the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// The revision that is coming.
    pub revision: u32,
    /// The one that is going.
    pub previous: u32,
    /// How far it is.
    pub stage: Stage,
    /// Which objects take part.
    pub share: Share,
    /// How many of a thousand objects may fail before it is taken back; none where it is not taken back.
    pub failures_per_mille_max: Option<u16>,
    /// When the stage began, in milliseconds since 1970.
    pub since_ms: u64,
    /// Who asked for it.
    pub by: String,
}

/// How a component is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Even where it breaks what the present revision offers.
    pub force: bool,
    /// For these objects.
    pub share: Share,
    /// How many of a thousand objects may fail before it is taken back; none for any number.
    pub failures_per_mille_max: Option<u16>,
    /// Who asks.
    pub by: Caller,
    /// What a repetition of the same deployment is recognised by.
    pub key: Option<String>,
}

/// Keys of deployments that a revision remembers.
const KEYS_MAX: usize = 16;

/// How many of a thousand objects may fail, where nothing else is said.
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

/// The revisions for one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// The one that is to run.
    pub wanted: u32,
    /// The one that goes on where that fails, if the object has no code of its own yet.
    pub fallback: Option<u32>,
}

impl TypeRecord {
    /// Which revision is to run an object.
    #[must_use]
    pub fn chosen(&self, id: &ObjectId) -> Chosen {
        match &self.rollout {
            Some(rollout) if rollout.stage != Stage::Preparing && rollout.share.includes(id) => {
                Chosen { wanted: rollout.revision, fallback: Some(rollout.previous) }
            }
            _ => Chosen { wanted: self.current, fallback: None },
        }
    }

    /// The revisions that objects may be given at present, or soon; none of a type that was removed.
    pub fn needed(&self) -> impl Iterator<Item = &RevisionEntry> {
        let coming = self.rollout.as_ref().map(|rollout| [rollout.revision, rollout.previous]);
        let numbers = coming.into_iter().flatten().chain([self.current]);
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        let numbers = numbers.into_iter().filter(|_| self.removed.is_none());
        numbers.filter_map(|number| self.entry(number))
    }

    /// The revision that was deployed with the same idempotency key before, whatever has become of it since.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyReused`] where it was another component.
    pub fn repeated(&self, digest: Digest, terms: &Terms) -> Result<Option<u32>, Error> {
        let Some(key) = &terms.key else { return Ok(None) };
        let found = self.revisions.iter().rev().find(|entry| entry.keys.contains(key));
        match found {
            Some(entry) if entry.digest != digest => {
                let (name, number) = (&self.name, entry.number);
                let text = format!(
                    "nothing was deployed: revision {number} of {name}, another component, was \
                     deployed with this idempotency key"
                );
                Err(Error::new(Code::IdempotencyKeyReused, text).with_hint("take another key"))
            }
            found => Ok(found.map(|entry| entry.number)),
        }
    }

    /// Takes in a component that is to be deployed. `None` where it is deployed like that already.
    ///
    /// # Errors
    /// [`Code::DeploymentConflict`] where another revision is on its way.
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

    pub(super) fn remember(&mut self, number: u32, terms: &Terms) {
        let found = self.revisions.iter_mut().find(|entry| entry.number == number);
        if let (Some(entry), Some(key)) = (found, &terms.key) {
            entry.keys.push(key.clone());
            let excess = entry.keys.len().saturating_sub(KEYS_MAX);
            entry.keys.drain(..excess);
        }
    }

    /// The revision that is coming is for more objects now.
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
            _ => format!("revision {coming} of {name} is being tried on a part of its objects"),
        };
        Error::new(Code::DeploymentConflict, text).with_hint(format!(
            "deploy that one without --canary, wait until it is everywhere, or take it back: \
             highlander rollback {name}"
        ))
    }

    /// Every node is ready: objects may change over.
    pub fn roll(&mut self, now_ms: u64) {
        if let Some(rollout) = &mut self.rollout {
            rollout.stage = Stage::Rolling;
            rollout.since_ms = now_ms;
            if rollout.share == Share::All {
                self.current = rollout.revision;
            }
        }
    }

    /// Every node serves it.
    pub fn watch(&mut self, now_ms: u64) {
        if let Some(rollout) = &mut self.rollout {
            rollout.stage = Stage::Watching;
            rollout.since_ms = now_ms;
        }
    }

    /// It has held: what it took the place of is history.
    pub fn close(&mut self) {
        self.rollout = None;
    }

    /// The revision that is coming is taken back, for this reason.
    pub fn revert(&mut self, why: &str) {
        let Some(rollout) = self.rollout.take() else { return };
        self.current = rollout.previous;
        if let Some(entry) =
            self.revisions.iter_mut().find(|entry| entry.number == rollout.revision)
        {
            entry.taken_back = Some(why.to_owned());
        }
    }

    /// Makes an older revision current: the one before the present, or `to`.
    ///
    /// # Errors
    /// [`Code::RevisionNotFound`] where there is no such revision.
    pub fn roll_back(&mut self, to: Option<u32>, by: &Caller, now_ms: u64) -> Result<u32, Error> {
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
            None => format!("{} has no older revision to go back to", self.name),
        };
        let hint = format!("look at what there is: highlander types {}", self.name);
        Error::new(Code::RevisionNotFound, text).with_hint(hint)
    }
}
