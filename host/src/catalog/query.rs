//! Queries about types, and the report of upgrade results. Nothing here changes what is deployed.

use std::sync::Arc;

use highlander_core::catalog::record::{self, TypeRecord};
use highlander_core::catalog::unknown_type;
use highlander_core::error::Error;
use highlander_core::id::{ObjectId, TypeName};
use highlander_core::rollout::{Progress, Readiness};
use highlander_core::store::ETag;
use tokio::sync::watch;

use super::{Catalog, unavailable};

impl Catalog {
    /// Reads the record of a type.
    ///
    /// # Errors
    /// [`UnknownType`](highlander_core::error::ErrorCode::UnknownType), also for a removed type; other codes if the
    /// store fails.
    pub async fn revisions(&self, type_name: &str) -> Result<Arc<TypeRecord>, Error> {
        self.revisions_with_etag(type_name).await.map(|(record, _)| record)
    }

    /// As [`revisions`](Self::revisions), with the ETag of the record.
    ///
    /// # Errors
    /// As [`revisions`](Self::revisions).
    pub async fn revisions_with_etag(
        &self,
        type_name: &str,
    ) -> Result<(Arc<TypeRecord>, ETag), Error> {
        let found = self.read(type_name).await?;
        let (record, etag) = found.ok_or_else(|| unknown_type(type_name))?;
        if record.removed.is_some() { Err(record.gone()) } else { Ok((record, etag)) }
    }

    /// Returns the names of all types that have a record, in order.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn type_names(&self) -> Result<Vec<TypeName>, Error> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.list(record::PREFIX, after.as_deref(), 1000).await;
            let page = page.map_err(|error| unavailable(&error))?;
            let names = page.names.iter().filter_map(|name| record::type_of_blob(name));
            found.extend(names.filter_map(|name| TypeName::new(name).ok()));
            after = page.names.into_iter().next_back();
            if !page.has_more {
                return Ok(found);
            }
        }
    }

    /// Returns the cached record of a type.
    #[must_use]
    pub fn record(&self, type_name: &str) -> Option<Arc<TypeRecord>> {
        self.find(type_name).map(|known| Arc::clone(&known.record))
    }

    /// Returns the generation of the newest change in the cached record of a type.
    #[must_use]
    pub fn generation(&self, type_name: &str) -> Option<u64> {
        self.find(type_name).map(|known| known.record.generation)
    }

    /// Returns the generation of the newest change in each cached record.
    #[must_use]
    pub fn generations(&self) -> Vec<(TypeName, u64)> {
        let known = self.known.read();
        known.values().map(|known| (known.record.name.clone(), known.record.generation)).collect()
    }

    /// Returns the cached records of the types with a roll-out in progress.
    #[must_use]
    pub fn rolling_out(&self) -> Vec<Arc<TypeRecord>> {
        let known = self.known.read();
        let open = known.values().filter(|known| known.record.rollout.is_some());
        open.map(|known| Arc::clone(&known.record)).collect()
    }

    /// Returns whether a revision is ready to run here, or the reason why not. `None` if it has not been tried
    /// yet.
    #[must_use]
    pub fn readiness(&self, type_name: &str, number: u32) -> Option<Result<(), String>> {
        let known = self.find(type_name)?;
        match known.failed.get(&number) {
            Some(why) => Some(Err(why.clone())),
            None => known.ready.contains_key(&number).then_some(Ok(())),
        }
    }

    /// Whether a cached type has been removed.
    #[must_use]
    pub fn is_removed(&self, type_name: &str) -> bool {
        self.find(type_name).is_some_and(|known| known.record.removed.is_some())
    }

    /// Returns the names of the cached types.
    #[must_use]
    pub fn known_types(&self) -> Vec<TypeName> {
        let known = self.known.read();
        known.values().map(|known| known.record.name.clone()).collect()
    }

    /// Records that an object has accepted a revision.
    pub fn revision_accepted(&self, id: &ObjectId, revision: u32) {
        self.progress.revision_accepted(id, revision);
    }

    /// Records that an object stays on its old code because this revision failed.
    pub fn revision_pinned(&self, id: &ObjectId, revision: u32, why: String) {
        self.progress.revision_pinned(id, revision, why);
    }

    /// Records that a call of an object failed with this revision.
    pub fn faulted(&self, id: &ObjectId, revision: u32) {
        self.progress.faulted(id, revision);
    }

    /// Records that every live object of a type runs the revision of this generation at its next call.
    pub fn applied(&self, type_name: &TypeName, generation: u64) {
        self.progress.applied(type_name.as_str(), generation);
    }

    /// Records that every live object of a type has tried the revision of this generation.
    pub fn probed(&self, type_name: &TypeName, generation: u64) {
        self.progress.probed(type_name.as_str(), generation);
    }

    /// Returns this node's progress with a type, without the revisions of live objects.
    #[must_use]
    pub fn progress(&self, type_name: &TypeName) -> Progress {
        let name = type_name.as_str();
        let Some(record) = self.record(name) else { return Progress::default() };
        let coming = record.rollout.as_ref().map_or(record.current, |rollout| rollout.revision);
        let passes = self.progress.passes(name);
        Progress {
            generation: record.generation,
            readiness: match self.readiness(name, coming) {
                None => Readiness::Unknown,
                Some(Ok(())) => Readiness::Ready,
                Some(Err(why)) => Readiness::Failed(why),
            },
            is_applied: passes.notified == record.generation,
            is_probed: passes.probed == record.generation,
            upgrades: self.progress.upgrades(name, coming),
            live: None,
        }
    }

    /// Returns a channel that reports every change of this node's progress with any type.
    #[must_use]
    pub fn progress_changes(&self) -> watch::Receiver<()> {
        self.progress.changes()
    }
}
