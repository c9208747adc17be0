//! What may be asked of a catalog, and told to it, about the types and how their objects take to new revisions.
//! Nothing here changes what is deployed.

use std::sync::PoisonError;

use super::record::{self, TypeRecord};
use super::{Catalog, Taken, unavailable, unknown_type};
use crate::error::{Code, Error};
use crate::id::{ObjectId, TypeName};

/// All types that have a record.
#[derive(Debug, Default)]
pub struct Types {
    /// Those whose record can be used, in the order of their names.
    pub records: Vec<TypeRecord>,
    /// The others, and why they cannot.
    pub damaged: Vec<(TypeName, String)>,
}

impl Catalog {
    /// The record of a type: its revisions.
    ///
    /// # Errors
    /// [`UnknownType`](crate::error::Code::UnknownType), also for a type that was removed, or where the store fails.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn revisions(&self, type_name: &str) -> Result<TypeRecord, Error> {
        let found = self.read(type_name).await?;
        let (record, _) = found.ok_or_else(|| unknown_type(type_name))?;
        if record.removed.is_some() { Err(record.gone()) } else { Ok(record) }
    }

    /// The records of all types, removed ones included; one that cannot be used hides no other one.
    ///
    /// # Errors
    /// Where the store fails.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn types(&self) -> Result<Types, Error> {
        let mut types = Types::default();
        for name in self.type_names().await? {
            match self.read(name.as_str()).await {
                Ok(found) => types.records.extend(found.map(|(record, _)| record)),
                Err(error) if error.code == Code::RecordDamaged => {
                    types.damaged.push((name, error.message));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(types)
    }

    /// The names of all types that have a record, in order.
    ///
    /// # Errors
    /// Where the store fails.
    ///
    /// # Cancel safety
    /// Nothing is changed.
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

    /// The record of a type as it was last read here.
    #[must_use]
    pub fn record(&self, type_name: &str) -> Option<TypeRecord> {
        self.find(type_name).map(|known| known.record.clone())
    }

    /// The mark of the newest change of a type that is known here.
    #[must_use]
    pub fn mark(&self, type_name: &str) -> Option<u64> {
        self.find(type_name).map(|known| known.record.mark)
    }

    /// The marks of the newest changes that are known here, of all types.
    #[must_use]
    pub fn marks(&self) -> Vec<(TypeName, u64)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().map(|known| (known.record.name.clone(), known.record.mark)).collect()
    }

    /// The records of the types that are being rolled out, as they were last read here.
    #[must_use]
    pub fn rolling_out(&self) -> Vec<TypeRecord> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let open = known.values().filter(|known| known.record.rollout.is_some());
        open.map(|known| known.record.clone()).collect()
    }

    /// Whether a revision is ready to run here, or why it is not. `None` where it was not tried yet.
    #[must_use]
    pub fn readiness(&self, type_name: &str, number: u32) -> Option<Result<(), String>> {
        let known = self.find(type_name)?;
        match known.failed.get(&number) {
            Some(why) => Some(Err(why.clone())),
            None => known.ready.contains_key(&number).then_some(Ok(())),
        }
    }

    /// Whether a type that is known here was removed.
    #[must_use]
    pub fn is_removed(&self, type_name: &str) -> bool {
        self.find(type_name).is_some_and(|known| known.record.removed.is_some())
    }

    /// The types that are known here.
    #[must_use]
    pub fn known_types(&self) -> Vec<TypeName> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().map(|known| known.record.name.clone()).collect()
    }

    /// An object has taken to a revision.
    pub fn took_well(&self, id: &ObjectId, revision: u32) {
        self.tally.took_well(id, revision);
    }

    /// An object stays on its own code, because this revision failed.
    pub fn held_back(&self, id: &ObjectId, revision: u32, why: String) {
        self.tally.held_back(id, revision, why);
    }

    /// A call of an object failed with this revision.
    pub fn faulted(&self, id: &ObjectId, revision: u32) {
        self.tally.faulted(id, revision);
    }

    /// How the objects of this node took to a revision.
    #[must_use]
    pub fn taken(&self, type_name: &str, revision: u32) -> Taken {
        self.tally.taken(type_name, revision)
    }
}
