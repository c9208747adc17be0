//! Limits of the calls of a type's objects: those recorded with each revision, and those of this node's configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use highlander_core::caller::call_policy::{CallPolicy, TypeSet};
use highlander_core::catalog::record::RevisionEntry;
use highlander_core::id::TypeName;

use super::Catalog;

impl Catalog {
    /// Returns the catalog with limits for the calls of some types.
    #[must_use]
    pub fn with_may_call(self, may_call: BTreeMap<TypeName, Arc<TypeSet>>) -> Self {
        Self { may_call, ..self }
    }

    /// Returns the limit of the outbound calls of a revision, or `None` if the type has no such revision.
    #[must_use]
    pub fn call_policy(&self, type_name: &str, number: u32) -> Option<Arc<CallPolicy>> {
        let known = self.find(type_name)?;
        match known.ready.get(&number) {
            Some(ready) => Some(Arc::clone(&ready.call_policy)),
            None => Some(self.policy_of(&known.record.name, known.record.entry(number)?).into()),
        }
    }

    /// Returns the types that this node's configuration permits the objects of a type to call, if it limits them.
    #[must_use]
    pub fn configured_may_call(&self, type_name: &TypeName) -> Option<&Arc<TypeSet>> {
        self.may_call.get(type_name)
    }

    pub(super) fn policy_of(&self, type_name: &TypeName, entry: &RevisionEntry) -> CallPolicy {
        CallPolicy {
            type_name: type_name.clone(),
            revision: entry.number,
            deployed_by: entry.deployed_by.clone(),
            recorded: entry.may_call.clone(),
            configured: self.configured_may_call(type_name).cloned(),
        }
    }
}
