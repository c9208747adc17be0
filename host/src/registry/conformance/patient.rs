//! Asking again where a registry gave no answer in time, as the port has its callers do.
//!
//! A session that is to end soon waits for an answer no longer than a busy machine can be still for.

use super::{ENDING_TIME_MAX, PAUSE};
use crate::clock::BootTime;
use crate::id::{NodeId, ObjectId};
use crate::registry::claims::ClaimKey;
use crate::registry::{Claimed, Error, Registry};

/// Claims `id` for the session, or says who has it.
///
/// # Errors
/// As of [`Registry::claim`]; [`Error::Unavailable`] if there was no answer for long.
pub async fn claim<R: Registry + ?Sized>(session: &R, id: &ObjectId) -> Result<Claimed, Error> {
    patiently(|| session.claim(id)).await
}

/// Gives the claim of `id` back.
///
/// # Errors
/// As of [`Registry::release`]; [`Error::Unavailable`] if there was no answer for long.
pub async fn release<R: Registry + ?Sized>(session: &R, id: &ObjectId) -> Result<(), Error> {
    patiently(|| session.release(id)).await
}

/// Who holds the claim of `id`.
///
/// # Errors
/// As of [`Registry::owner`]; [`Error::Unavailable`] if there was no answer for long.
pub async fn owner<R: Registry + ?Sized>(
    session: &R,
    id: &ObjectId,
) -> Result<Option<NodeId>, Error> {
    patiently(|| session.owner(id)).await
}

/// Gives a whole claim back, if no object is claimed under it.
///
/// # Errors
/// As of [`Registry::hand_over`]; [`Error::Unavailable`] if there was no answer for long.
pub async fn hand_over<R: Registry + ?Sized>(session: &R, key: ClaimKey) -> Result<bool, Error> {
    patiently(|| session.hand_over(key)).await
}

/// What an operation that may be repeated comes to.
pub(super) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let since = BootTime::now();
    loop {
        match ask().await {
            Err(Error::Unavailable(_)) if BootTime::now().since(since) < ENDING_TIME_MAX => {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}
