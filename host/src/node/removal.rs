//! Objects of a removed type: counts them, and ends them on this node.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use highlander_core::error::Error;
use highlander_core::id::TypeName;
use tokio::time::timeout;

use super::Node;

/// Number of records read concurrently.
const LOOKS_AT_ONCE: usize = 16;
/// Number of objects ended concurrently.
const ENDS_AT_ONCE: usize = 64;
/// Time after which objects that have not ended are looked up again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Node {
    /// Counts the objects of a type that have a state or an unreadable record, up to `max`.
    ///
    /// # Errors
    /// The store fails.
    pub async fn count_objects(&self, type_name: &TypeName, max: usize) -> Result<usize, Error> {
        let (mut count, mut after) = (0, None);
        loop {
            let (ids, next) = self.record_ids(type_name, after).await?;
            let looks = ids.into_iter().map(|id| async move { self.is_there(&id).await });
            let mut looks = stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE);
            while let Some(is_there) = looks.next().await {
                count += usize::from(is_there);
                if count >= max {
                    return Ok(max);
                }
            }
            if next.is_none() {
                return Ok(count);
            }
            after = next;
        }
    }

    /// Ends all objects of a removed type, unless it has been deployed again. New activations cannot
    /// start, because the type has no code.
    pub(super) async fn end_objects(&self, type_name: &TypeName) {
        loop {
            let Some(generation) = self.catalog.generation(type_name.as_str()) else { return };
            if !self.catalog.is_removed(type_name.as_str()) {
                return;
            }
            let slots = self.cells_of(type_name);
            if slots.is_empty() {
                self.catalog.applied(type_name, generation);
                self.catalog.probed(type_name, generation);
                return;
            }
            for some in slots.chunks(ENDS_AT_ONCE) {
                // Calls in progress finish first.
                let ends = some.iter().map(|slot| timeout(LOOK_AGAIN, self.deactivate(slot.id())));
                join_all(ends).await;
            }
        }
    }
}
