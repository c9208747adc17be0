//! Polls for a condition, with a bound.
//!
//! Polling is for state without a notification, such as a node's tables over HTTP.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Bound of a single step of a test; only a hang takes longer.
pub const TIMEOUT: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Polls until the condition holds.
///
/// # Panics
/// With `what`, when [`TIMEOUT`] has passed.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            sleep(PAUSE).await;
        }
    };
    within(what, asking).await;
}

/// Returns the result of a future that must complete without intervention.
///
/// # Panics
/// With `what`, when [`TIMEOUT`] has passed.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_of(TIMEOUT, what, future).await
}

/// Returns the result of a future that takes longer, such as many steps under faults.
///
/// # Panics
/// With `what`, when `limit` has passed.
pub async fn within_of<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match timeout(limit, future).await {
        Ok(result) => result,
        Err(_) => panic!("timed out after {} s: {what}", limit.as_secs()),
    }
}
