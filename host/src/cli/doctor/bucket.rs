//! Bucket checks: connectivity, enforcement of conditional writes (also under concurrent writers), and the latency
//! of writes and reads.
//!
//! All checks use the same probe blob that every node start writes.

use std::time::Duration;

use highlander_core::store::{Condition, PutOutcome, Store};
use highlander_s3::{S3, probe};
use highlander_system::clock;

use super::finding::Finding;
use crate::config::Config;

const CHECK: &str = "conditional writes";
/// Number of races run to detect a store that checks the condition and writes in two steps; more than at a node
/// start.
const ROUND_COUNT: usize = 200;
const SAMPLE_COUNT: usize = 9;
/// Write latency above which the check warns; every update takes at least as long as a write.
const WRITE_SLOW: Duration = Duration::from_millis(200);

/// Runs all checks of the S3 store in `config`.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::from_iter(endpoint(config.store.endpoint.as_deref()));
    let store = match S3::connect(config.s3_options()).await {
        Ok(store) => store,
        Err(error) => {
            let mend = "see store.* and \"Secrets\" in docs/configuration.md";
            findings.push(Finding::fail("bucket", error.to_string(), mend));
            return findings;
        }
    };
    let conditions = conditions(&store).await;
    let is_sound = conditions.mend.is_none();
    findings.push(conditions);
    if is_sound {
        findings.push(latency(&store).await);
    }
    findings
}

/// Warns if object states cross the network unencrypted.
fn endpoint(endpoint: Option<&str>) -> Option<Finding> {
    let host = endpoint?.strip_prefix("http://")?;
    let is_near = ["127.", "localhost", "[::1]"].iter().any(|near| host.starts_with(near));
    (!is_near).then(|| {
        let found = "the state of objects crosses the network unencrypted";
        Finding::warn("store.endpoint", found, "use https://, or a private network")
    })
}

async fn conditions(store: &dyn Store) -> Finding {
    match probe::check_rounds(store, ROUND_COUNT).await {
        Ok(()) => {
            Finding::ok(CHECK, format!("the store enforces them, also in {ROUND_COUNT} races"))
        }
        Err(error @ probe::Error::Unavailable(_)) => Finding::fail(
            CHECK,
            error.to_string(),
            "check the store, store.endpoint and the network",
        ),
        Err(error @ probe::Error::Busy) => {
            Finding::warn(CHECK, error.to_string(), "try again when fewer nodes are starting")
        }
        Err(error @ probe::Error::Denied(_)) => {
            let mend = "grant the credentials the permissions in \"The bucket\" of docs/operations.md, \
                        and check that the bucket exists";
            Finding::fail(CHECK, error.to_string(), mend)
        }
        Err(error) => Finding::fail(CHECK, error.to_string(), "use another store"),
    }
}

async fn latency(store: &dyn Store) -> Finding {
    const CHECK: &str = "store latency";
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLE_COUNT {
        let before = clock::now();
        let Ok(Some(blob)) = store.get(probe::NAME).await else { continue };
        reads.push(clock::now().since(before));
        // The content stays the same, so that a node that starts at this moment finds the blob unchanged.
        let before = clock::now();
        let put = store.put(probe::NAME, blob.bytes, Condition::Matches(blob.etag)).await;
        if matches!(put, PutOutcome::Applied(_)) {
            writes.push(clock::now().since(before));
        }
    }
    let (Some(write), Some(read)) = (median(writes), median(reads)) else {
        return Finding::warn(CHECK, "could not be measured", "try again");
    };
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let found = format!("a write takes {:.1} ms, a read {:.1} ms", millis(write), millis(read));
    if write > WRITE_SLOW {
        return Finding::warn(
            CHECK,
            found,
            "use a bucket near the nodes; updates take at least this long",
        );
    }
    Finding::ok(CHECK, found)
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;
    use highlander_testing::memory::Memory;

    #[tokio::test]
    async fn a_store_that_enforces_conditions_is_sound() {
        let store = Memory::new();
        assert_eq!(conditions(&store).await.verdict, Verdict::Ok);
        assert_eq!(latency(&store).await.verdict, Verdict::Ok);
        assert_eq!(conditions(&store).await.verdict, Verdict::Ok);
    }

    #[test]
    fn plain_http_to_another_machine_is_told() {
        assert!(endpoint(Some("http://10.0.0.9:9000")).is_some());
        for sound in [None, Some("https://s3.example"), Some("http://127.0.0.1:9000")] {
            assert!(endpoint(sound).is_none(), "{sound:?}");
        }
    }
}
