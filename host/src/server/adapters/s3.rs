//! Connects to the bucket, and uses it only after a probe has shown that it enforces conditional writes. A store
//! that does not respond is retried until it does.

use std::sync::Arc;
use std::time::Duration;

use highlander_core::store::Store;
use highlander_s3::{S3, probe};

use crate::config::Config;

/// Minimum and maximum backoff between two probes of an unavailable store.
const CHECK_PAUSE_MIN: Duration = Duration::from_millis(250);
const CHECK_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Connects to the bucket of `config`, verifies it, and describes it.
pub(super) async fn connect(config: &Config) -> anyhow::Result<(Arc<dyn Store>, String)> {
    let options = config.s3_options();
    let place = match &options.endpoint {
        Some(endpoint) => format!("{} at {endpoint}", options.bucket),
        None => options.bucket.clone(),
    };
    let store = S3::connect(options).await?;
    verify(&store).await?;
    let about = format!("s3 (conditional writes verified) in bucket {place}");
    Ok((Arc::new(store), about))
}

/// Probes a store until it is known whether it enforces conditions.
async fn verify(store: &dyn Store) -> anyhow::Result<()> {
    let mut pause = CHECK_PAUSE_MIN;
    loop {
        match probe::check(store).await {
            Ok(()) => return Ok(()),
            // The store responds. Other nodes that start at the same time are probing it, so wait for a turn.
            Err(error @ probe::Error::Busy) => {
                tracing::debug!("{error}");
                pause = CHECK_PAUSE_MIN;
            }
            Err(probe::Error::Unavailable(why)) => {
                tracing::warn!("the store does not respond yet; trying again: {why}");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(CHECK_PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_testing::memory::Memory;

    #[tokio::test]
    async fn a_store_that_answers_is_verified_at_once() {
        verify(&Memory::new()).await.unwrap();
    }
}
