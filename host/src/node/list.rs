//! Which objects of a type there are: from the store, or those that are active.

use super::Node;
use crate::error::{Code, Error};
use crate::id::{ObjectId, TypeName, blob_prefix};
use crate::limits::LIST_COUNT_MAX;

/// What is to be listed.
#[derive(Debug, Clone)]
pub struct Query {
    /// Objects of this type.
    pub type_name: TypeName,
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only keys that come after this one.
    pub after: Option<String>,
    /// At most so many, 1 to 1,000.
    pub limit: usize,
    /// Only those that are active on this node.
    pub is_active: bool,
}

/// One page of keys, in the order of their percent-encoded names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys. A deleted object is listed as long as its tombstone is kept.
    pub keys: Vec<String>,
    /// Where the next page begins: hand it in as `after`. Nothing where this page is the last.
    pub next: Option<String>,
}

impl Node {
    /// The keys of a type's objects, page by page.
    ///
    /// # Errors
    /// [`Code::UnknownType`], [`Code::StoreUnavailable`], or [`Code::InvalidObjectId`] for a bad `after`.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn list(&self, query: &Query) -> Result<Page, Error> {
        let type_name = query.type_name.as_str();
        self.around.catalog.current(type_name).await?;
        let after = query.after.as_deref().map(|key| ObjectId::new(type_name, key)).transpose();
        let after = after.map_err(|error| Error::new(Code::InvalidObjectId, error.to_string()))?;
        let limit = query.limit.clamp(1, LIST_COUNT_MAX);
        let (names, has_more) = if query.is_active {
            self.active_names(query, after.as_ref(), limit)
        } else {
            let prefix = blob_prefix(type_name, &query.prefix);
            let after = after.map(|id| id.blob_key());
            let page = self.around.store.list(&prefix, after.as_deref(), limit).await;
            let page = page.map_err(|e| Error::new(Code::StoreUnavailable, e.to_string()))?;
            (page.names, page.has_more)
        };
        let ids = names.iter().filter_map(|name| ObjectId::from_blob_key(name));
        let keys: Vec<_> = ids.map(|id| id.key().to_owned()).collect();
        let next = if has_more { keys.last().cloned() } else { None };
        Ok(Page { keys, next })
    }

    fn active_names(
        &self,
        query: &Query,
        after: Option<&ObjectId>,
        limit: usize,
    ) -> (Vec<String>, bool) {
        let after = after.map(ObjectId::blob_key);
        let active = self.around.table.select(|cell| {
            cell.id().type_name() == query.type_name.as_str()
                && cell.id().key().starts_with(&query.prefix)
                && cell.position().is_some()
        });
        let mut names: Vec<_> = active.iter().map(|cell| cell.id().blob_key()).collect();
        names.retain(|name| after.as_ref().is_none_or(|after| name > after));
        names.sort_unstable();
        let has_more = names.len() > limit;
        names.truncate(limit);
        (names, has_more)
    }
}
