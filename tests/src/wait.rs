//! Waiting for something to become true, with a bound.
//!
//! It is for what announces itself by no event: a node's tables, seen over HTTP.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// No single step of a test takes this long unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until the answer is yes.
///
/// # Panics
/// With `what`, when [`PATIENCE`] is over.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !is_so().await {
            sleep(PAUSE).await;
        }
    };
    within(what, asking).await;
}

/// The result of something that must end by itself.
///
/// # Panics
/// With `what`, when [`PATIENCE`] is over.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_of(PATIENCE, what, future).await
}

/// The same for what takes longer: many steps under faults.
///
/// # Panics
/// With `what`, when `patience` is over.
pub async fn within_of<T>(patience: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match timeout(patience, future).await {
        Ok(result) => result,
        Err(_) => panic!("waited {} s in vain: {what}", patience.as_secs()),
    }
}
