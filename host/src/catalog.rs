//! The types of a cluster: which components there are, and which revision of each is current.
//!
//! A component is an immutable blob named by its SHA-256; a type's record lists its revisions and changes by
//! conditional write ([`record`]). This node keeps the current revision of each type compiled.
//! What becomes of live objects when a revision changes is not decided here.

pub mod check;
pub mod record;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::clock::wall_ms;
use crate::engine::{Component, Description, Engine, LoadError};
use crate::error::{Code, Error};
use crate::id::{Digest, TypeName};
use crate::store::{self, Condition, ETag, Put, Store};
use record::{RevisionEntry, TypeRecord};

/// How often a deployment looks again when another one was faster.
const ATTEMPTS_MAX: usize = 5;

/// One revision of a type, ready to run.
#[derive(Debug)]
pub struct Revision {
    /// Its number within the type, from 1.
    pub number: u32,
    /// Digest of its component.
    pub digest: Digest,
    /// What the component says of itself.
    pub description: Arc<Description>,
    /// Media type of its snapshots, shared by all states.
    pub state_content_type: Arc<str>,
    /// The compiled component.
    pub component: Arc<dyn Component>,
}

/// What a deployment came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The type.
    pub type_name: TypeName,
    /// The revision that is current now.
    pub revision: u32,
    /// Digest of its component.
    pub digest: Digest,
    /// Whether anything changed: the component that is current already is not deployed again.
    pub is_new: bool,
}

/// The types, as this node knows them.
#[derive(Debug)]
pub struct Catalog {
    store: Arc<dyn Store>,
    engine: Arc<dyn Engine>,
    current: RwLock<HashMap<Box<str>, Arc<Revision>>>,
    /// Held while a type is read or changed, so that its component is compiled once.
    changing: Mutex<()>,
}

impl Catalog {
    /// A catalog of what `store` holds; each type is read at its first use.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, engine: Arc<dyn Engine>) -> Self {
        Self { store, engine, current: RwLock::default(), changing: Mutex::new(()) }
    }

    /// The current revision of a type.
    ///
    /// # Errors
    /// [`Code::UnknownType`] where nothing was deployed; the others where store or engine fail.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn current(&self, type_name: &str) -> Result<Arc<Revision>, Error> {
        if let Some(revision) = self.known(type_name) {
            return Ok(revision);
        }
        let _changing = self.changing.lock().await;
        if let Some(revision) = self.known(type_name) {
            return Ok(revision);
        }
        let (record, _) = self.read(type_name).await?.ok_or_else(|| unknown_type(type_name))?;
        let entry = record.current_entry().ok_or_else(|| unknown_type(type_name))?;
        let revision = self.prepare(entry).await?;
        self.publish(type_name, &revision);
        Ok(revision)
    }

    /// Stores a component and makes it the current revision of its type.
    ///
    /// `force` lets it through where it breaks what the present revision offers.
    ///
    /// # Errors
    /// [`Code::ComponentRefused`] with the reason; [`Code::DeploymentConflict`] where others were faster again and
    /// again; the others where store or engine fail. Nothing is changed by a refused component.
    ///
    /// # Cancel safety
    /// The component may or may not have become current.
    pub async fn deploy(&self, wasm: Bytes, force: bool) -> Result<Deployed, Error> {
        let digest = Digest::of(&wasm);
        let component = self.load(digest, wasm.clone()).await?;
        let description = component.describe().await.map_err(refused)?;
        let type_name = description.name.clone();
        let _changing = self.changing.lock().await;
        self.store_component(digest, wasm).await?;
        for _ in 0..ATTEMPTS_MAX {
            let found = self.read(type_name.as_str()).await?;
            let (mut record, condition) = match found {
                Some((record, etag)) => (record, Condition::Matches(etag)),
                None => (TypeRecord::new(type_name.clone()), Condition::Absent),
            };
            if let Some(entry) = record.current_entry().filter(|entry| entry.digest == digest) {
                return Ok(deployed(&type_name, entry, false));
            }
            if let Some(present) = record.current_entry()
                && !force
            {
                check::compatible(&present.description, &description)?;
            }
            let entry = record.add(digest, description.clone(), wall_ms());
            if self.write(&record, condition).await? {
                self.publish(
                    type_name.as_str(),
                    &Arc::new(revision(&entry, Arc::clone(&component))),
                );
                return Ok(deployed(&type_name, &entry, true));
            }
        }
        let text =
            format!("other deployments of {type_name} were faster; look at it and try again");
        Err(Error::new(Code::DeploymentConflict, text))
    }

    /// The record of a type: its revisions.
    ///
    /// # Errors
    /// [`Code::UnknownType`], or where the store fails.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn revisions(&self, type_name: &str) -> Result<TypeRecord, Error> {
        let found = self.read(type_name).await?;
        found.map(|(record, _)| record).ok_or_else(|| unknown_type(type_name))
    }

    /// The records of all types, in the order of their names.
    ///
    /// # Errors
    /// Where the store fails.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn types(&self) -> Result<Vec<TypeRecord>, Error> {
        let mut types = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.list(record::PREFIX, after.as_deref(), 100).await;
            let page = page.map_err(|error| unavailable(&error))?;
            for name in page.names.iter().filter_map(|name| record::type_of_blob(name)) {
                types.extend(self.read(name).await?.map(|(record, _)| record));
            }
            after = page.names.into_iter().next_back();
            if !page.has_more {
                return Ok(types);
            }
        }
    }

    /// The types whose current revision is known here.
    #[must_use]
    pub fn known_types(&self) -> Vec<TypeName> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.keys().filter_map(|name| TypeName::new(name).ok()).collect()
    }

    /// Reads a type again, if it is known here, and makes its current revision ready to run. Its number, where it is
    /// another one than before.
    ///
    /// # Errors
    /// Where store or engine fail: the revision that was known stays in use.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn look_again(&self, type_name: &TypeName) -> Result<Option<u32>, Error> {
        let name = type_name.as_str();
        if self.known(name).is_none() {
            // It is read at its first use.
            return Ok(None);
        }
        let _changing = self.changing.lock().await;
        let (record, _) = self.read(name).await?.ok_or_else(|| unknown_type(name))?;
        let entry = record.current_entry().ok_or_else(|| unknown_type(name))?;
        if self.known(name).is_some_and(|known| known.number == entry.number) {
            return Ok(None);
        }
        let revision = self.prepare(entry).await?;
        self.publish(name, &revision);
        Ok(Some(revision.number))
    }

    fn known(&self, type_name: &str) -> Option<Arc<Revision>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.get(type_name).cloned()
    }

    fn publish(&self, type_name: &str, revision: &Arc<Revision>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.insert(type_name.into(), Arc::clone(revision));
    }

    /// Makes a recorded revision ready to run.
    async fn prepare(&self, entry: &RevisionEntry) -> Result<Arc<Revision>, Error> {
        let name = record::component_blob(entry.digest);
        let blob = self.store.get(&name).await.map_err(|error| unavailable(&error))?;
        let wasm = blob.map(|blob| blob.bytes).filter(|wasm| Digest::of(wasm) == entry.digest);
        let wasm = wasm.ok_or_else(|| {
            tracing::error!(component = %entry.digest, "the component is missing or is not what its name says");
            let text = format!("the component {} is missing or damaged in the store", entry.digest);
            Error::new(Code::Internal, text).with_hint("deploy the component again")
        })?;
        let component = self.load(entry.digest, wasm).await?;
        Ok(Arc::new(revision(entry, component)))
    }

    async fn load(&self, digest: Digest, wasm: Bytes) -> Result<Arc<dyn Component>, Error> {
        self.engine.load(digest, wasm).await.map_err(refused)
    }

    async fn store_component(&self, digest: Digest, wasm: Bytes) -> Result<(), Error> {
        let name = record::component_blob(digest);
        match self.store.put(&name, wasm, Condition::Absent).await {
            // It is named by its digest, so that what is there already is the same.
            Put::Applied(_) | Put::Refused => Ok(()),
            Put::Undecided(why) | Put::Denied(why) => Err(not_stored(&why)),
        }
    }

    async fn read(&self, type_name: &str) -> Result<Option<(TypeRecord, ETag)>, Error> {
        let name = record::type_blob(type_name);
        let Some(blob) = self.store.get(&name).await.map_err(|error| unavailable(&error))? else {
            return Ok(None);
        };
        let record = TypeRecord::decode(type_name, &blob.bytes).map_err(|why| {
            tracing::error!(type_name, "the type's record was refused and left as it is: {why}");
            Error::new(
                Code::RecordDamaged,
                format!("the record of the type {type_name} is damaged: {why}"),
            )
        })?;
        Ok(Some((record, blob.etag)))
    }

    /// Writes a type's record; `false` where another deployment was faster.
    async fn write(&self, record: &TypeRecord, condition: Condition) -> Result<bool, Error> {
        let name = record::type_blob(record.name.as_str());
        match self.store.put(&name, record.encode(), condition).await {
            Put::Applied(_) => Ok(true),
            Put::Refused => Ok(false),
            Put::Denied(why) => Err(not_stored(&why)),
            Put::Undecided(why) => {
                let text = format!("the revision may have become current: {why}");
                let hint = format!("look at it with: highlander types {}", record.name);
                Err(Error::new(Code::OutcomeUnknown, text).with_hint(hint))
            }
        }
    }
}

fn revision(entry: &RevisionEntry, component: Arc<dyn Component>) -> Revision {
    Revision {
        number: entry.number,
        digest: entry.digest,
        state_content_type: entry.description.state_content_type.as_str().into(),
        description: Arc::new(entry.description.clone()),
        component,
    }
}

fn deployed(type_name: &TypeName, entry: &RevisionEntry, is_new: bool) -> Deployed {
    Deployed { type_name: type_name.clone(), revision: entry.number, digest: entry.digest, is_new }
}

fn unknown_type(type_name: &str) -> Error {
    let text = format!("no component was deployed for the type {type_name:?}");
    Error::new(Code::UnknownType, text).with_hint("deploy one: highlander deploy FILE.wasm")
}

fn unavailable(error: &store::Error) -> Error {
    Error::new(Code::StoreUnavailable, error.to_string())
}

fn not_stored(why: &str) -> Error {
    Error::new(Code::StoreUnavailable, format!("the component was not stored: {why}"))
}

fn refused(error: LoadError) -> Error {
    match error {
        LoadError::Refused(why) => {
            Error::new(Code::ComponentRefused, format!("the component was refused: {why}"))
        }
        LoadError::Failed(why) => {
            Error::new(Code::Internal, format!("the component could not be compiled: {why}"))
        }
    }
}
