//! Registry operations that retry while the registry is unavailable, as the port requires of its callers.
//!
//! The retries stop after a time that is longer than a busy machine can stall.

use highlander_core::id::{NodeId, ObjectId};
use highlander_core::registry::claims::ClaimKey;
use highlander_core::registry::{Claimed, Error, Registry};
use highlander_system::clock;

use super::{ENDING_TIME_MAX, PAUSE};

/// Claims `id` for the session, or returns the current holder.
///
/// # Errors
/// The errors of [`Registry::claim`]; [`Error::Unavailable`] only after retries.
pub async fn claim<R: Registry + ?Sized>(session: &R, id: &ObjectId) -> Result<Claimed, Error> {
    patiently(|| session.claim(id)).await
}

/// Releases the claim of `id`.
///
/// # Errors
/// The errors of [`Registry::release`]; [`Error::Unavailable`] only after retries.
pub async fn release<R: Registry + ?Sized>(session: &R, id: &ObjectId) -> Result<(), Error> {
    patiently(|| session.release(id)).await
}

/// Returns the node that holds the claim of `id`.
///
/// # Errors
/// The errors of [`Registry::owner`]; [`Error::Unavailable`] only after retries.
pub async fn owner<R: Registry + ?Sized>(
    session: &R,
    id: &ObjectId,
) -> Result<Option<NodeId>, Error> {
    patiently(|| session.owner(id)).await
}

/// Releases a whole claim if no object is claimed under it.
///
/// # Errors
/// The errors of [`Registry::hand_over`]; [`Error::Unavailable`] only after retries.
pub async fn hand_over<R: Registry + ?Sized>(session: &R, key: ClaimKey) -> Result<bool, Error> {
    patiently(|| session.hand_over(key)).await
}

/// Retries an idempotent operation until it has a definite outcome, for at most [`ENDING_TIME_MAX`].
pub(super) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let since = clock::now();
    loop {
        match ask().await {
            Err(Error::Unavailable(_)) if clock::now().since(since) < ENDING_TIME_MAX => {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}
