//! Changes of a type's record by conditional write: each change takes effect completely and once, or not at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use highlander_core::caller::Caller;
use highlander_core::caller::scopes::Permission;
use highlander_core::catalog::deploy::{DeployOptions, NewComponent, Released};
use highlander_core::catalog::record::{self, Removal, RevisionEntry, TypeRecord};
use highlander_core::catalog::{check, unknown_type};
use highlander_core::engine::{Component, Description, LoadPurpose};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{Digest, TypeName};
use highlander_core::limits::TYPE_RECORD_BYTES_MAX;
use highlander_core::store::{Condition, PutOutcome};
use highlander_system::clock::wall_ms;

use super::{Catalog, Deployed, RecordChange, not_stored, refused, unavailable};

/// Attempts of a change that loses against concurrent changes of the same type.
const ATTEMPTS_MAX: usize = 5;

/// Component that was uploaded, with its description.
struct Upload {
    digest: Digest,
    size: u64,
    description: Arc<Description>,
    wasm: Bytes,
}

/// Returns what a comparison of a component with a type depends on: whether the type exists, and its current revision.
fn basis_of(record: &TypeRecord) -> (bool, u32) {
    (record.removed.is_some(), record.current)
}

impl Catalog {
    /// Invalidates the cached types, because changes may have been missed. Each type is read again before an
    /// object gets code.
    pub fn invalidate(&self) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
    }

    /// Stores a component and makes it the newest revision of its type. The first revision is current at once.
    /// Each later one replaces its predecessor by a roll-out.
    ///
    /// # Errors
    /// [`ErrorCode::ComponentRefused`] with the reason; [`ErrorCode::Forbidden`] if the caller may not deploy the type,
    /// whose name is known only after the component is loaded; [`ErrorCode::IdempotencyKeyReused`];
    /// [`ErrorCode::DeploymentConflict`] if another revision is being rolled out, or concurrent changes won every
    /// attempt; other codes if the store or the engine fails. A rejected component changes nothing.
    ///
    /// # Cancel safety
    /// The component may or may not have been deployed.
    pub async fn deploy(&self, wasm: Bytes, options: &DeployOptions) -> Result<Deployed, Error> {
        let (digest, size) = (Digest::of(&wasm), wasm.len() as u64);
        let description = Arc::new(self.described(digest, wasm.clone(), &options.by).await?);
        options.by.check(Permission::Deploy(description.name.as_str()))?;
        let upload = Upload { digest, size, description, wasm };
        for _ in 0..ATTEMPTS_MAX {
            if let Some(deployed) = self.try_deploy(&upload, options).await? {
                return Ok(deployed);
            }
        }
        Err(overtaken(&upload.description.name))
    }

    /// Deploys a component. Returns `None` if the current revision changed after the component was compared with it.
    async fn try_deploy(
        &self,
        upload: &Upload,
        options: &DeployOptions,
    ) -> Result<Option<Deployed>, Error> {
        let (digest, description) = (upload.digest, &upload.description);
        let type_name = &description.name;
        // Checked before the component is stored: nothing would remove the blob of a rejected one.
        let present = self.read(type_name.as_str()).await?.map(|(record, _)| record);
        let present = present.unwrap_or_else(|| TypeRecord::new(type_name.clone()).into());
        let deployed = |done: Released, change| {
            let (Released { revision, scope, .. }, type_name) = (done, type_name.clone());
            Some(Deployed { type_name, revision, digest, scope, change })
        };
        if let Some(revision) = present.repeated(digest, options)? {
            self.refresh(type_name.as_str()).await?;
            return Ok(deployed(present.released(revision), RecordChange::None));
        }
        present.may_come_again(digest, options)?;
        self.compare(&present, upload, options).await?;
        let copy = present.copy_of(digest);
        self.keep(&record::component_blob(digest, copy), upload.wasm.clone()).await?;
        let (unchanged, is_stale) = (OnceLock::new(), AtomicBool::new(false));
        let changed = self.update_record(type_name, |record| {
            if let Some(revision) = record.repeated(digest, options)? {
                let _ = unchanged.set(record.released(revision));
                return Ok(None);
            }
            record.may_come_again(digest, options)?;
            if basis_of(record) != basis_of(&present) {
                is_stale.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            if record.copy_of(digest) != copy {
                return Err(overtaken(type_name));
            }
            let component = NewComponent { digest, size: upload.size, description };
            let done = record.deploy(component, options, wall_ms())?;
            if done.is_new || options.key.is_some() {
                return Ok(Some(done));
            }
            let _ = unchanged.set(done);
            Ok(None)
        });
        let changed = changed.await?;
        if changed.is_none() && is_stale.into_inner() {
            return Ok(None);
        }
        let known = self.refresh(type_name.as_str()).await;
        if let Some(done) = changed {
            if let Err(error) = known {
                // The deployment is recorded anyway. This node reads it later, as every other node does.
                tracing::warn!(%type_name, "cannot reload the type: {error}");
            }
            let change = if done.is_new { RecordChange::Revision } else { RecordChange::Key };
            return Ok(deployed(done, change));
        }
        let record = &known?.record;
        let done = unchanged.into_inner().unwrap_or_else(|| record.released(record.current));
        Ok(deployed(done, RecordChange::None))
    }

    /// Compares a component with the current revision of its type, if this matters. Comparisons take turns, off the
    /// threads that serve requests.
    async fn compare(
        &self,
        present: &Arc<TypeRecord>,
        upload: &Upload,
        options: &DeployOptions,
    ) -> Result<(), Error> {
        let is_other = |entry: &RevisionEntry| entry.digest != upload.digest;
        let matters = present.removed.is_none() && present.current_entry().is_some_and(is_other);
        if options.force || !matters {
            return Ok(());
        }
        let stopped = || Error::new(ErrorCode::Internal, "the comparison of schemas was stopped");
        let turn = Arc::clone(&self.comparing).acquire_owned().await.map_err(|_| stopped())?;
        let (present, new) = (Arc::clone(present), Arc::clone(&upload.description));
        let comparing = tokio::task::spawn_blocking(move || {
            let _held = turn;
            let entry = present.current_entry();
            entry.map_or(Ok(()), |entry| check::compatible(&entry.description, &new))
        });
        comparing.await.map_err(|_| stopped())?
    }

    /// Removes the component of a collected revision from the store.
    ///
    /// # Errors
    /// If the store fails.
    ///
    /// # Cancel safety
    /// The component may or may not have been removed.
    pub async fn remove_component(&self, entry: &RevisionEntry) -> Result<(), Error> {
        debug_assert!(entry.is_collected, "revision {} can still be requested", entry.number);
        let name = record::component_blob(entry.digest, entry.copy);
        self.store.delete(&name).await.map_err(|error| unavailable(&error))
    }

    /// Loads a component that `by` uploaded. While the caller holds it, it is not compiled again.
    ///
    /// # Errors
    /// [`ErrorCode::ComponentRefused`] with the reason; [`ErrorCode::CompileQueueFull`] if too many uploads wait for
    /// the compiler; other codes if the engine fails.
    ///
    /// # Cancel safety
    /// The upload leaves the queue of the compiler, or its compilation ends.
    pub async fn uploaded(
        &self,
        digest: Digest,
        wasm: Bytes,
        by: &Caller,
    ) -> Result<Arc<dyn Component>, Error> {
        let purpose = LoadPurpose::Upload(by.clone());
        self.engine.load(digest, wasm, &purpose).await.map_err(refused)
    }

    /// Loads a component and returns its description.
    pub(super) async fn described(
        &self,
        digest: Digest,
        wasm: Bytes,
        by: &Caller,
    ) -> Result<Description, Error> {
        let component = self.uploaded(digest, wasm, by).await?;
        self.description_of(component).await.map_err(refused)
    }

    /// Applies `change` to the record of a type by conditional write. `change` receives the current record and
    /// returns `None` to leave it unchanged. A returned value means that this change was applied, and applied
    /// once.
    ///
    /// # Errors
    /// Those of `change`; [`ErrorCode::DeploymentConflict`] if concurrent changes won every attempt;
    /// [`ErrorCode::OutcomeUnknown`] if the change may have been applied; other codes if the store fails.
    ///
    /// # Cancel safety
    /// The change may or may not have been applied.
    pub async fn update_record<C>(
        &self,
        type_name: &TypeName,
        change: impl Fn(&mut TypeRecord) -> Result<Option<C>, Error>,
    ) -> Result<Option<C>, Error> {
        let generation = rand::random();
        let mut undecided = None;
        for _ in 0..ATTEMPTS_MAX {
            let (found, condition) = match self.read(type_name.as_str()).await? {
                Some((record, etag)) => (Arc::unwrap_or_clone(record), Condition::Matches(etag)),
                None => (TypeRecord::new(type_name.clone()), Condition::Absent),
            };
            if found.generation == generation {
                // An earlier attempt was applied, but its response was lost.
                return Ok(undecided);
            }
            let mut record = found;
            record.generation = generation;
            let Some(changed) = change(&mut record)? else { return Ok(None) };
            let name = record::type_blob(type_name.as_str());
            match self.store.put(&name, readable(&record)?, condition).await {
                PutOutcome::Applied(_) => return Ok(Some(changed)),
                PutOutcome::PreconditionFailed => {}
                PutOutcome::Unknown(why) => {
                    tracing::warn!(%type_name, "a change to the type was not confirmed: {why}");
                    undecided = Some(changed);
                }
                // A rejection of this attempt proves nothing about an earlier one.
                PutOutcome::Unavailable(_) | PutOutcome::Rejected(_) if undecided.is_some() => {}
                PutOutcome::Unavailable(why) | PutOutcome::Rejected(why) => {
                    return Err(not_stored(&why));
                }
            }
        }
        if undecided.is_some() {
            let text = format!("the change to the type {type_name} may have taken effect");
            let hint = format!("check with: highlander types {type_name}");
            return Err(Error::new(ErrorCode::OutcomeUnknown, text).with_hint(hint));
        }
        Err(overtaken(type_name))
    }

    /// Replaces the damaged record of a type by one that marks the type as removed. The damaged record is kept
    /// under another name.
    ///
    /// # Errors
    /// [`ErrorCode::RecordDamaged`] if a newer host has written it; [`ErrorCode::DeploymentConflict`] if it is not
    /// damaged, or changes concurrently; [`ErrorCode::OutcomeUnknown`] if the replacement may have been stored; other
    /// codes if the store fails.
    ///
    /// # Cancel safety
    /// The change may or may not have been made.
    pub async fn give_up(&self, type_name: &TypeName, removal: Removal) -> Result<(), Error> {
        let name = record::type_blob(type_name.as_str());
        let blob = self.store.get(&name).await.map_err(|error| unavailable(&error))?;
        let blob = blob.ok_or_else(|| unknown_type(type_name.as_str()))?;
        if TypeRecord::decode(type_name.as_str(), &blob.bytes).is_ok() {
            return Err(overtaken(type_name));
        }
        if record::is_newer(&blob.bytes) {
            let text =
                format!("the record of {type_name} was written by a newer version of the host");
            return Err(
                Error::new(ErrorCode::RecordDamaged, text).with_hint("use a node of that version")
            );
        }
        self.keep(&record::damaged_blob(type_name.as_str(), &blob.bytes), blob.bytes).await?;
        let mut record = TypeRecord::new(type_name.clone());
        (record.generation, record.removed) = (rand::random(), Some(removal));
        match self.store.put(&name, record.encode(), Condition::Matches(blob.etag)).await {
            PutOutcome::Applied(_) => Ok(()),
            PutOutcome::PreconditionFailed => Err(overtaken(type_name)),
            PutOutcome::Unknown(why) => Err(Error::new(ErrorCode::OutcomeUnknown, why)),
            PutOutcome::Unavailable(why) | PutOutcome::Rejected(why) => Err(not_stored(&why)),
        }
    }

    /// Stores bytes under a name that contains their digest, so that a blob of that name has the same content.
    pub(super) async fn keep(&self, name: &str, wasm: Bytes) -> Result<(), Error> {
        match self.store.put(name, wasm, Condition::Absent).await {
            PutOutcome::Applied(_) | PutOutcome::PreconditionFailed => Ok(()),
            PutOutcome::Unknown(why) | PutOutcome::Unavailable(why) | PutOutcome::Rejected(why) => {
                Err(not_stored(&why))
            }
        }
    }
}

/// Encodes the record and checks that it can be decoded. A record that cannot be decoded would make the whole type
/// unusable until it is replaced.
fn readable(record: &TypeRecord) -> Result<Bytes, Error> {
    let bytes = record.encode();
    if bytes.len() > TYPE_RECORD_BYTES_MAX {
        let text = format!(
            "the record of the type {} would have {} bytes with all its revisions; expected at most \
             {TYPE_RECORD_BYTES_MAX}",
            record.name,
            bytes.len()
        );
        return Err(Error::new(ErrorCode::ComponentRefused, text).with_hint(
            "wait until revisions that no object needs are removed (objects.component_retention)",
        ));
    }
    match TypeRecord::decode(record.name.as_str(), &bytes) {
        Ok(_) => Ok(bytes),
        Err(why) => {
            let text =
                format!("the record of the type {} could not be read back: {why}", record.name);
            Err(Error::new(ErrorCode::ComponentRefused, text))
        }
    }
}

fn overtaken(type_name: &TypeName) -> Error {
    let text = format!(
        "other clients changed the type {type_name} at the same time; check it and try again"
    );
    Error::new(ErrorCode::DeploymentConflict, text)
}
