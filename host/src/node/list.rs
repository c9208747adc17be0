//! Lists the objects of a type, from the store or among the active objects of this node. Listing activates no
//! object.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{Digest, ObjectId, TypeName, blob_prefix};
use highlander_core::limits::LIST_COUNT_MAX;
use highlander_core::store::Store as _;
use highlander_core::store::record::codec;

use super::Node;

/// Number of records read concurrently.
const LOOKS_AT_ONCE: usize = 16;

/// Parameters of a list.
#[derive(Debug, Clone)]
pub struct Query {
    /// Type of the objects.
    pub type_name: TypeName,
    /// Prefix of the keys.
    pub prefix: String,
    /// Key after which the page starts.
    pub after: Option<String>,
    /// Maximum number of keys, 1 to 1,000.
    pub limit: usize,
    /// Restricts the list to the objects that are active on this node.
    pub is_active: bool,
}

/// Page of keys, ordered by their percent-encoded names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys. There may be fewer than requested, because deleted objects are omitted.
    pub keys: Vec<String>,
    /// Start of the next page: pass it as `after`. `None` on the last page.
    pub next: Option<String>,
}

impl Node {
    /// Returns a page of the keys of a type's objects.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownType`], [`ErrorCode::StoreUnavailable`], or [`ErrorCode::InvalidObjectId`] for an invalid
    /// `after`.
    pub async fn list(&self, query: &Query) -> Result<Page, Error> {
        let type_name = query.type_name.as_str();
        self.catalog.current(type_name).await?;
        let after = query.after.as_deref().map(|key| ObjectId::new(type_name, key)).transpose();
        let after =
            after.map_err(|error| Error::new(ErrorCode::InvalidObjectId, error.to_string()))?;
        let limit = query.limit.clamp(1, LIST_COUNT_MAX);
        let (ids, has_more) = if query.is_active {
            self.active_ids(query, after.as_ref(), limit)
        } else {
            self.recorded_ids(query, after.as_ref(), limit).await?
        };
        let next = ids.last().filter(|_| has_more).map(|id| id.key().to_owned());
        let is_there = async |id: &ObjectId| query.is_active || self.is_there(id).await;
        let looks = ids.into_iter().map(|id| async { is_there(&id).await.then_some(id) });
        let there = stream::iter(looks).buffered(LOOKS_AT_ONCE).filter_map(std::future::ready);
        let keys = there.map(|id| id.key().to_owned()).collect().await;
        Ok(Page { keys, next })
    }

    /// Returns a page of the objects that have a record, including deleted ones, and whether there are more.
    async fn recorded_ids(
        &self,
        query: &Query,
        after: Option<&ObjectId>,
        limit: usize,
    ) -> Result<(Vec<ObjectId>, bool), Error> {
        let prefix = blob_prefix(query.type_name.as_str(), &query.prefix);
        let mut after = after.map(ObjectId::blob_key);
        loop {
            let page = self.store.list(&prefix, after.as_deref(), limit).await;
            let page = page.map_err(|e| Error::new(ErrorCode::StoreUnavailable, e.to_string()))?;
            let ids: Vec<_> =
                page.names.iter().filter_map(|name| ObjectId::from_blob_key(name)).collect();
            // A page that contains only foreign blobs has no key to continue after, but is not the last one.
            if !ids.is_empty() || !page.has_more {
                return Ok((ids, page.has_more));
            }
            after = page.names.into_iter().next_back();
        }
    }

    /// Returns a page of a type's objects that have a record, including deleted ones, and the position to continue
    /// after.
    ///
    /// # Errors
    /// [`ErrorCode::StoreUnavailable`].
    pub async fn record_ids(
        &self,
        type_name: &TypeName,
        after: Option<String>,
    ) -> Result<(Vec<ObjectId>, Option<String>), Error> {
        let prefix = blob_prefix(type_name.as_str(), "");
        let page = self.store.list(&prefix, after.as_deref(), LIST_COUNT_MAX).await;
        let page = page.map_err(|e| Error::new(ErrorCode::StoreUnavailable, e.to_string()))?;
        let ids = page.names.iter().filter_map(|name| ObjectId::from_blob_key(name)).collect();
        Ok((ids, page.names.into_iter().next_back().filter(|_| page.has_more)))
    }

    /// Returns the components that the records of these objects reference.
    ///
    /// # Errors
    /// A record cannot be read, and so might reference any component.
    pub async fn components_of(&self, ids: Vec<ObjectId>) -> Result<BTreeSet<Digest>, Error> {
        let reads = ids.into_iter().map(|id| async move {
            let blob = self.store.get(&id.blob_key()).await;
            let blob = blob.map_err(|e| Error::new(ErrorCode::StoreUnavailable, e.to_string()))?;
            let record = blob.map(|blob| codec::decode(&id, &blob.bytes)).transpose();
            let record = record.map_err(|error| {
                let text = format!("the record of {id} was rejected: {error}");
                Error::new(ErrorCode::RecordDamaged, text)
            })?;
            Ok(record.map(|record| record.component))
        });
        let components = stream::iter(reads).buffer_unordered(LOOKS_AT_ONCE);
        components.try_filter_map(async |component| Ok(component)).try_collect().await
    }

    /// Whether an object that has a record or is active exists. An unreadable record counts as an existing object.
    pub(super) async fn is_there(&self, id: &ObjectId) -> bool {
        let slot = self.current_session().and_then(|session| session.ctx.table.get(id));
        if let Some(live) = slot.and_then(|slot| slot.status()) {
            return live.exists;
        }
        match self.store.get(&id.blob_key()).await {
            Ok(Some(blob)) => {
                codec::decode(id, &blob.bytes).map_or(true, |record| record.state.is_some())
            }
            Ok(None) => false,
            Err(_) => true,
        }
    }

    fn active_ids(
        &self,
        query: &Query,
        after: Option<&ObjectId>,
        limit: usize,
    ) -> (Vec<ObjectId>, bool) {
        let after = after.map(ObjectId::blob_key);
        let Some(session) = self.current_session() else { return (Vec::new(), false) };
        let active = session.ctx.table.select(|slot| {
            slot.id().type_name() == query.type_name.as_str()
                && slot.id().key().starts_with(&query.prefix)
                && slot.status().is_some()
        });
        let mut named: Vec<_> =
            active.iter().map(|slot| (slot.id().blob_key(), slot.id().clone())).collect();
        named.retain(|(name, _)| after.as_ref().is_none_or(|after| name > after));
        named.sort_unstable();
        let has_more = named.len() > limit;
        (named.into_iter().take(limit).map(|(_, id)| id).collect(), has_more)
    }
}
