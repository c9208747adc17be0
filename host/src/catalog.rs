//! Object types of the cluster: their components, revisions, and current revision.
//!
//! A component is an immutable blob named by its SHA-256. The [record](highlander_core::catalog::record) of a type
//! lists its revisions and changes only by conditional write. A node keeps every revision compiled that its objects
//! may need.

mod cached_type;
mod call_policy;
mod keyed_mutex;
mod mutate;
mod progress;
pub mod query;
pub mod records;
mod revision;
mod share;
pub mod staged;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use highlander_core::caller::call_policy::TypeSet;
use highlander_core::catalog::record::{RevisionEntry, component_blob};
use highlander_core::catalog::rollout::{RolloutScope, Stage};
use highlander_core::catalog::unknown_type;
use highlander_core::engine::{Component, Engine, LoadError, LoadPurpose};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{CodeId, Digest, ObjectId, TypeName};
use highlander_core::schedule::place::HandlerCosts;
use highlander_core::store::{self, Store};
use parking_lot::RwLock;
use tokio::sync::{Semaphore, watch};

use crate::lane::Lane;
use cached_type::CachedType;
use keyed_mutex::KeyedMutex;
use progress::ProgressTable;
use records::Records;
pub use revision::{Choice, Revision, TypeShare};

/// Suggested pause before a component is sent again to a node that was too busy to compile it.
const COMPILE_RETRY: Duration = Duration::from_secs(5);

/// Result of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Name of the type.
    pub type_name: TypeName,
    /// Revision that is current now or is being rolled out.
    pub revision: u32,
    /// Digest of its component.
    pub digest: Digest,
    /// Objects that take part in its roll-out; all if there is none.
    pub scope: RolloutScope,
    /// Change of the type's record.
    pub change: RecordChange,
}

impl Deployed {
    /// Whether anything changed: deploying a component again with the same options changes nothing.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.change == RecordChange::Revision
    }
}

/// Change of a type's record by a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordChange {
    /// None: the deployment is a repetition.
    None,
    /// Only the idempotency key of the deployment was added.
    Key,
    /// There is a new revision, or its roll-out changed.
    Revision,
}

/// Cached view of the object types on this node.
#[derive(Debug)]
pub struct Catalog {
    store: Arc<dyn Store>,
    engine: Arc<dyn Engine>,
    /// Types that the objects of a type may call, as this node's configuration limits them.
    may_call: BTreeMap<TypeName, Arc<TypeSet>>,
    /// Weights of the types in the shares of processor time, as this node's configuration sets them.
    weights: BTreeMap<TypeName, u32>,
    /// Runs components that describe themselves; `None` runs them in the caller's task.
    lane: Option<Arc<Lane>>,
    records: Records,
    known: RwLock<HashMap<Box<str>, Arc<CachedType>>>,
    /// Serializes reads of each type, so that its component is compiled once.
    reading: KeyedMutex,
    progress: ProgressTable,
    /// One comparison of schemas at a time.
    comparing: Arc<Semaphore>,
    /// Number of times that changes may have been missed.
    invalidations: AtomicU64,
    /// Names of the types whose cached view has changed since a subscriber last removed them.
    changes: watch::Sender<BTreeSet<TypeName>>,
}

impl Catalog {
    /// Creates a catalog over `store`. Each type is read on first use.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, engine: Arc<dyn Engine>) -> Self {
        Self {
            store,
            engine,
            may_call: BTreeMap::new(),
            weights: BTreeMap::new(),
            lane: None,
            records: Records::default(),
            known: RwLock::default(),
            reading: KeyedMutex::default(),
            progress: ProgressTable::default(),
            comparing: Arc::new(Semaphore::new(1)),
            invalidations: AtomicU64::new(0),
            changes: watch::Sender::default(),
        }
    }

    /// Returns the channel of changed types. The subscriber that handles an entry removes it.
    #[must_use]
    pub fn news(&self) -> &watch::Sender<BTreeSet<TypeName>> {
        &self.changes
    }

    /// Ensures that a type is loaded. For most calls this costs one table lookup.
    ///
    /// # Errors
    /// As [`current`](Self::current).
    pub async fn ensure_loaded(&self, type_name: &str) -> Result<(), Error> {
        let is_known = {
            let known = self.known.read();
            known.get(type_name).is_some_and(|known| known.is_there().is_ok())
        };
        // A removed type may have been deployed again. Reading it again is as rare as reading a type that never
        // existed.
        if is_known { Ok(()) } else { self.refresh(type_name).await?.is_there() }
    }

    /// Returns the current revision of a type.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownType`] if nothing is deployed under the name; other codes if the store or the engine fails.
    pub async fn current(&self, type_name: &str) -> Result<Arc<Revision>, Error> {
        self.get(type_name).await?.current()
    }

    /// Returns the code for an object whose record was written by revision `written_with` (0 for no revision).
    /// `has_state` states whether the record holds a state.
    ///
    /// # Errors
    /// As [`current`](Self::current); [`ErrorCode::StateUnreadable`] if the state belongs to a removed type of the same
    /// name.
    pub async fn resolve(
        &self,
        id: &ObjectId,
        written_with: u32,
        has_state: bool,
    ) -> Result<Choice, Error> {
        let mut known = self.get(id.type_name()).await?;
        // While a roll-out is preparing, another node may already have started to roll. An object that moved here
        // from that node must not go back to the old revision.
        let stage = known.record.rollout.as_ref().map(|rollout| rollout.stage);
        let newest = known.record.revisions.last().map_or(0, |entry| entry.number);
        if stage == Some(Stage::Preparing) || written_with > newest {
            known = self.refresh(id.type_name()).await?;
        }
        if has_state {
            known.record.may_open(id.key(), written_with)?;
        }
        known.resolve(id)
    }

    /// Returns the code for an object from the cache alone, without I/O.
    #[must_use]
    pub fn chosen(&self, id: &ObjectId) -> Option<CodeId> {
        Some(self.find(id.type_name())?.resolve(id).ok()?.wanted.id())
    }

    /// Returns a revision if it is ready to run.
    #[must_use]
    pub fn ready(&self, type_name: &str, number: u32) -> Option<Arc<Revision>> {
        self.find(type_name)?.ready.get(&number).cloned()
    }

    /// Returns the code that a record names, and compiles it if necessary.
    ///
    /// # Errors
    /// [`ErrorCode::RevisionNotFound`] if it has been collected; other codes if the store or the engine fails.
    pub async fn revision(&self, type_name: &str, code: &CodeId) -> Result<Arc<Revision>, Error> {
        if let Some(ready) = self.ready(type_name, code.revision)
            && ready.digest == code.component
        {
            return Ok(ready);
        }
        let _turn = self.reading.take(type_name).await;
        let known = self.find(type_name).ok_or_else(|| unknown_type(type_name))?;
        let entry = known.entry_of(code).ok_or_else(|| {
            let text = format!("revision {} of {type_name} no longer exists", code.revision);
            Error::new(ErrorCode::RevisionNotFound, text).with_hint("deploy its component again")
        })?;
        if let Some(ready) = known.ready.get(&entry.number) {
            return Ok(Arc::clone(ready));
        }
        let revision = self.prepare(&known, entry).await?;
        let mut known = (*known).clone();
        known.ready.insert(entry.number, Arc::clone(&revision));
        self.publish(known);
        Ok(revision)
    }

    /// Reads a type again and compiles the revisions that its objects may need.
    ///
    /// # Errors
    /// If the store fails. The cached view stays in use.
    pub async fn refresh_now(&self, type_name: &TypeName) -> Result<(), Error> {
        self.refresh(type_name.as_str()).await.map(drop)
    }

    fn find(&self, type_name: &str) -> Option<Arc<CachedType>> {
        let known = self.known.read();
        known.get(type_name).cloned()
    }

    async fn get(&self, type_name: &str) -> Result<Arc<CachedType>, Error> {
        match self.find(type_name) {
            Some(known) if known.generation == self.invalidations.load(Ordering::SeqCst) => {
                Ok(known)
            }
            _ => self.refresh(type_name).await,
        }
    }

    async fn refresh(&self, type_name: &str) -> Result<Arc<CachedType>, Error> {
        let _turn = self.reading.take(type_name).await;
        let before = self.find(type_name);
        // Loaded before the read, so that an invalidation during the read stays in effect.
        let doubts = self.invalidations.load(Ordering::SeqCst);
        let (record, etag) = self.read(type_name).await?.ok_or_else(|| unknown_type(type_name))?;
        if let Some(before) = before.as_ref().filter(|known| known.etag == etag) {
            if before.generation == doubts {
                return Ok(Arc::clone(before));
            }
            return Ok(self.publish(CachedType { generation: doubts, ..(**before).clone() }));
        }
        let mut known = CachedType {
            record,
            etag,
            generation: doubts,
            ready: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        // Revisions that were ready stay ready while any object runs them.
        if let Some(before) = &before {
            let in_use = before.ready.iter().filter(|(_, ready)| Arc::strong_count(ready) > 1);
            known.ready.extend(in_use.map(|(number, ready)| (*number, Arc::clone(ready))));
        }
        for entry in known.record.needed().cloned().collect::<Vec<_>>() {
            let kept = before.as_ref().and_then(|before| before.ready.get(&entry.number));
            match kept.filter(|kept| kept.digest == entry.digest) {
                Some(kept) => drop(known.ready.insert(entry.number, Arc::clone(kept))),
                None => match self.prepare(before.as_deref().unwrap_or(&known), &entry).await {
                    Ok(revision) => drop(known.ready.insert(entry.number, revision)),
                    Err(error) if is_passing(error.code) => return Err(error),
                    Err(error) => {
                        tracing::error!(
                            type_name,
                            revision = entry.number,
                            "cannot run this revision: {error}"
                        );
                        known.failed.insert(entry.number, error.message);
                    }
                },
            }
        }
        let counted = known.record.rollout.as_ref().map(|rollout| rollout.revision);
        self.progress.begin(type_name, counted.unwrap_or(known.record.current));
        Ok(self.publish(known))
    }

    fn publish(&self, known: CachedType) -> Arc<CachedType> {
        let known = Arc::new(known);
        let name = known.record.name.clone();
        self.known.write().insert(name.as_str().into(), Arc::clone(&known));
        self.changes.send_modify(|changed| {
            changed.insert(name);
        });
        self.progress.type_changed();
        known
    }

    /// Makes a recorded revision ready to run.
    async fn prepare(
        &self,
        known: &CachedType,
        entry: &RevisionEntry,
    ) -> Result<Arc<Revision>, Error> {
        let component = match known.component(entry.digest) {
            Some(component) => component,
            None => {
                let name = component_blob(entry.digest, entry.copy);
                self.fetch(&name, entry.digest, &purpose_of(known, entry)).await?
            }
        };
        Ok(Arc::new(Revision {
            number: entry.number,
            digest: entry.digest,
            state_content_type: entry.description.state_content_type.as_str().into(),
            description: Arc::new(entry.description.clone()),
            call_policy: self.policy_of(&known.record.name, entry).into(),
            component,
            share: self.share_of(&known.record.name),
            costs: HandlerCosts::new(entry.description.handlers.len()),
        }))
    }

    /// Loads the component stored in a blob.
    async fn fetch(
        &self,
        name: &str,
        digest: Digest,
        purpose: &LoadPurpose,
    ) -> Result<Arc<dyn Component>, Error> {
        let blob = self.store.get(name).await.map_err(|error| unavailable(&error))?;
        let wasm = blob.map(|blob| blob.bytes).filter(|wasm| Digest::of(wasm) == digest);
        let wasm = wasm.ok_or_else(|| {
            tracing::error!(component = %digest, "the component is missing, or does not match its digest");
            let text = format!("the component {digest} is missing or damaged in the store");
            Error::new(ErrorCode::Internal, text).with_hint("deploy the component again")
        })?;
        self.engine.load(digest, wasm, purpose).await.map_err(refused)
    }
}

fn unavailable(error: &store::Error) -> Error {
    Error::new(ErrorCode::StoreUnavailable, error.to_string())
}

fn not_stored(why: &str) -> Error {
    Error::new(ErrorCode::StoreUnavailable, format!("the component was not stored: {why}"))
}

/// Whether a later attempt to make a revision ready may succeed: neither the store nor the machine's load is a property
/// of the revision.
fn is_passing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::StoreUnavailable | ErrorCode::NodeFull | ErrorCode::NodeMemoryFull)
}

/// Returns the purpose of making a revision ready: objects run it now, or a roll-out prepares it.
fn purpose_of(known: &CachedType, entry: &RevisionEntry) -> LoadPurpose {
    let rollout = known.record.rollout.as_ref();
    let is_coming = rollout.is_some_and(|rollout| {
        rollout.stage == Stage::Preparing && rollout.revision == entry.number
    });
    if is_coming { LoadPurpose::Rollout } else { LoadPurpose::Activation }
}

fn refused(error: LoadError) -> Error {
    match error {
        LoadError::Refused(why) => {
            Error::new(ErrorCode::ComponentRefused, format!("the component was refused: {why}"))
        }
        LoadError::QueueFull(why) => {
            let text = format!("the component was not compiled: {why}");
            Error::new(ErrorCode::CompileQueueFull, text).with_retry_after(COMPILE_RETRY)
        }
        LoadError::Busy(why) => {
            let text = format!("the component was not compiled: {why}");
            Error::new(ErrorCode::NodeFull, text).with_retry_after(COMPILE_RETRY)
        }
        error @ LoadError::NodeMemoryFull(_) => {
            let text = format!("the component was not loaded: {error}");
            Error::new(ErrorCode::NodeMemoryFull, text).with_retry_after(COMPILE_RETRY)
        }
        LoadError::Failed(why) => {
            Error::new(ErrorCode::Internal, format!("the component could not be compiled: {why}"))
        }
    }
}
