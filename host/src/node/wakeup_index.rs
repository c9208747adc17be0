//! Access to the wake-up index in the store: reads and removes entries.

use highlander_core::activation::effects::wakeup_index::{read_entry, shard_prefix};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::ObjectId;
use highlander_core::limits::LIST_COUNT_MAX;
use highlander_core::store::Store as _;
use highlander_core::store::record::effects::WakeupEntry;

use super::Node;

/// Entry of the wake-up index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the entry in the store.
    pub name: String,
    /// Object to be woken.
    pub id: ObjectId,
    /// Minute of the wake-up, and the entry's mark.
    pub wake: WakeupEntry,
}

impl Node {
    /// Returns the entries of a shard up to this minute, the earliest first, at most one page. `after` is the name
    /// of the entry to continue after.
    ///
    /// # Errors
    /// [`ErrorCode::StoreUnavailable`].
    pub async fn wake_entries(
        &self,
        shard: u8,
        minute: u64,
        after: Option<&str>,
    ) -> Result<Vec<Entry>, Error> {
        let (prefix, mut after) = (shard_prefix(shard), after.map(str::to_owned));
        loop {
            let page = self.store.list(&prefix, after.as_deref(), LIST_COUNT_MAX);
            let page =
                page.await.map_err(|e| Error::new(ErrorCode::StoreUnavailable, e.to_string()))?;
            let entries = page.names.iter().filter_map(|name| {
                let (id, wake) = read_entry(name)?;
                Some(Entry { name: name.clone(), id, wake })
            });
            let entries: Vec<_> = entries.collect();
            // A page that contains only foreign blobs is not the last one.
            if !entries.is_empty() || !page.has_more {
                let due = entries.into_iter().take_while(|entry| entry.wake.minute <= minute);
                return Ok(due.collect());
            }
            after = page.names.into_iter().next_back();
        }
    }

    /// Removes an entry that no record references or will ever reference.
    ///
    /// # Errors
    /// [`ErrorCode::StoreUnavailable`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the entry may still be removed.
    pub async fn remove_wake_entry(&self, entry: &Entry) -> Result<(), Error> {
        let removed = self.store.delete(&entry.name).await;
        removed.map_err(|error| Error::new(ErrorCode::StoreUnavailable, error.to_string()))
    }
}
