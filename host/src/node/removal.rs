//! The objects of a type that is removed: how many there are, and their end on this node.
//! Whether a type may be removed is decided above.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::timeout;

use super::Node;
use super::revisions::Turned;
use crate::error::Error;
use crate::id::TypeName;

/// Records that are looked at together.
const LOOKS_AT_ONCE: usize = 16;
/// Objects that end at the same time.
const ENDS_AT_ONCE: usize = 64;
/// After so long those that have not ended are looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Node {
    /// How many objects of a type have a state, or a record that cannot be read; no more than `max` are counted.
    ///
    /// # Errors
    /// Where the store fails.
    ///
    /// # Cancel safety
    /// Nothing is changed.
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

    /// Ends all objects of a type that was removed, unless it is there again. None begins meanwhile: whoever looks for
    /// its code finds none.
    pub(super) async fn end_objects(&self, type_name: &TypeName) {
        loop {
            let Some(mark) = self.catalog.mark(type_name.as_str()) else { return };
            if !self.catalog.is_removed(type_name.as_str()) {
                return;
            }
            let cells = self.cells_of(type_name);
            if cells.is_empty() {
                let turned = Turned { told: mark, tried: mark };
                self.turned().insert(type_name.clone(), turned);
                return;
            }
            for some in cells.chunks(ENDS_AT_ONCE) {
                // A call that is under way is waited for.
                let ends = some.iter().map(|cell| timeout(LOOK_AGAIN, self.deactivate(cell.id())));
                join_all(ends).await;
            }
        }
    }
}
