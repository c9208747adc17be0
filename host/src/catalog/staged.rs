//! Components stored only for a rehearsal, each under a separate name. The node that stored one removes it; what a
//! crashed node leaves behind is removed after a day.

use std::sync::Arc;

use bytes::Bytes;
use highlander_core::caller::Caller;
use highlander_core::caller::scopes::Permission;
use highlander_core::engine::{Component, LoadPurpose};
use highlander_core::error::Error;
use highlander_core::id::{Digest, TypeName};
use highlander_system::clock::wall_ms;

use super::{Catalog, unavailable};
use crate::wire::rehearsals::Staged;

const PREFIX: &str = "staged/";
/// Upper bound of the duration of a rehearsal.
const LEFT_BEHIND_MS: u64 = 24 * 60 * 60 * 1000;

/// Returns the blob name of the component.
fn blob(staged: &Staged) -> String {
    format!("{PREFIX}{}-{:08x}-{}.wasm", staged.at_ms, staged.nonce, staged.digest)
}

/// Whether the blob with this name is so old that its node must have crashed.
fn is_left_behind(name: &str, now_ms: u64) -> bool {
    let at_ms = name.strip_prefix(PREFIX).and_then(|name| name.split('-').next()?.parse().ok());
    at_ms.is_some_and(|at_ms: u64| now_ms.saturating_sub(at_ms) > LEFT_BEHIND_MS)
}

impl Catalog {
    /// Stores a component without deploying it, and returns the name of its type.
    ///
    /// # Errors
    /// [`ComponentRefused`](highlander_core::error::ErrorCode::ComponentRefused) with the reason;
    /// [`Forbidden`](highlander_core::error::ErrorCode::Forbidden) if `by` may not deploy the type; other codes if the
    /// store or the engine fails.
    ///
    /// # Cancel safety
    /// The component may or may not have been stored. If it was, it is removed a day later.
    pub async fn stage(&self, wasm: Bytes, by: &Caller) -> Result<(TypeName, Staged), Error> {
        let staged = Staged { digest: Digest::of(&wasm), at_ms: wall_ms(), nonce: rand::random() };
        let description = self.described(staged.digest, wasm.clone(), by).await?;
        by.check(Permission::Deploy(description.name.as_str()))?;
        self.keep(&blob(&staged), wasm).await?;
        Ok((description.name, staged))
    }

    /// Loads a staged component.
    ///
    /// # Errors
    /// If the store or the engine fails.
    pub async fn staged(&self, staged: &Staged) -> Result<Arc<dyn Component>, Error> {
        self.fetch(&blob(staged), staged.digest, &LoadPurpose::Rehearsal).await
    }

    /// Removes a staged component. If the store does not answer, it is removed a day later.
    ///
    /// # Cancel safety
    /// The component may or may not have been removed.
    pub async fn unstage(&self, staged: &Staged) {
        if let Err(error) = self.store.delete(&blob(staged)).await {
            tracing::debug!(component = %staged.digest, "the staged component stays in the store for a day: {error}");
        }
    }

    /// Removes the components that crashed nodes left behind.
    ///
    /// # Errors
    /// If the store fails.
    ///
    /// # Cancel safety
    /// The next call removes the rest.
    pub async fn tidy_up(&self) -> Result<(), Error> {
        // The oldest names come first, so the first page is enough.
        let page = self.store.list(PREFIX, None, 100).await.map_err(|error| unavailable(&error))?;
        let now_ms = wall_ms();
        for name in page.names.iter().filter(|name| is_left_behind(name, now_ms)) {
            self.store.delete(name).await.map_err(|error| unavailable(&error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_for_more_than_a_day_was_left_behind() {
        let staged = Staged { digest: Digest::of(b"a"), at_ms: 1_000, nonce: 7 };
        assert!(!is_left_behind(&blob(&staged), 1_000 + LEFT_BEHIND_MS));
        assert!(is_left_behind(&blob(&staged), 1_001 + LEFT_BEHIND_MS));
        assert!(!is_left_behind("staged/by-hand.wasm", u64::MAX));
    }
}
