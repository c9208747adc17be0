//! Disk checks: whether the data directory is writable, free space, fsync latency, and whether the embedded store
//! enforces conditional writes.
//!
//! All checks use a temporary directory next to the data, which is removed afterwards. They are safe while a node
//! is running.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use highlander_core::id::Hex;
#[cfg(feature = "embedded")]
use highlander_core::store::{Condition, ETag, PutOutcome, Store};
#[cfg(feature = "embedded")]
use highlander_embedded::Embedded;
use highlander_system::clock;
use rand::RngExt as _;

use super::finding::Finding;
use crate::config::backends::StoreKind;

const SYNC_COUNT: usize = 15;
/// Fsync latency above which the check warns; every update takes at least this long.
const SYNC_SLOW: Duration = Duration::from_millis(20);
const SPACE_LOW: u64 = 1 << 30;
const SPACE_NONE: u64 = 64 << 20;

/// Temporary directory, removed on drop.
struct Probe(PathBuf);

impl Drop for Probe {
    fn drop(&mut self) {
        // If the removal fails, only a few kilobytes are left behind.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs all checks of the disk that holds `data_dir`, or would hold it. With a store other than the embedded one,
/// the directory only holds compiled code, so its latency does not matter.
pub(super) async fn check(data_dir: &Path, store_kind: StoreKind) -> Vec<Finding> {
    let shown = data_dir.display();
    let probe = match open(data_dir) {
        Ok(probe) => probe,
        Err(error) => {
            let found = format!("cannot write to {shown}: {error}");
            let mend = format!("mkdir -p {shown} && chown \"$USER\" {shown}");
            return vec![Finding::fail("data directory", found, mend)];
        }
    };
    let writable = Finding::ok("data directory", format!("{shown} is writable"));
    let mut findings = vec![writable, space(&probe.0)];
    if store_kind == StoreKind::Embedded {
        findings.extend([sync(&probe.0), store(&probe.0).await]);
    }
    findings
}

fn open(data_dir: &Path) -> io::Result<Probe> {
    let absolute = std::path::absolute(data_dir)?;
    let existing = absolute.ancestors().find(|path| path.exists()).unwrap_or(&absolute);
    let digits: [u8; 4] = rand::rng().random();
    let path = existing.join(format!(".doctor-{}", Hex(&digits)));
    fs::create_dir(&path)?;
    Ok(Probe(path))
}

fn space(folder: &Path) -> Finding {
    const CHECK: &str = "disk space";
    let mend = "free some space, or set node.data_dir to a directory on a larger disk";
    match rustix::fs::statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} free", ByteSize(free));
            if free < SPACE_NONE {
                Finding::fail(CHECK, found, mend)
            } else if free < SPACE_LOW {
                Finding::warn(CHECK, found, mend)
            } else {
                Finding::ok(CHECK, found)
            }
        }
        Err(error) => Finding::warn(CHECK, format!("cannot be determined: {error}"), mend),
    }
}

fn sync(folder: &Path) -> Finding {
    const CHECK: &str = "fsync";
    match median_sync(&folder.join("sync")) {
        Ok(median) => {
            let found = format!("a durable write takes {:.2} ms", median.as_secs_f64() * 1e3);
            if median > SYNC_SLOW {
                let mend = "use a local disk with a write cache that survives power loss";
                return Finding::warn(CHECK, found, mend);
            }
            Finding::ok(CHECK, found)
        }
        Err(error) => {
            let found = format!("cannot sync a write to the disk: {error}");
            Finding::fail(CHECK, found, "set node.data_dir to a directory on a local disk")
        }
    }
}

fn median_sync(path: &Path) -> io::Result<Duration> {
    let mut file = File::create(path)?;
    let mut times = Vec::with_capacity(SYNC_COUNT);
    for _ in 0..SYNC_COUNT {
        let before = clock::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        times.push(clock::now().since(before));
    }
    times.sort_unstable();
    Ok(times.get(SYNC_COUNT / 2).copied().unwrap_or_default())
}

#[cfg(not(feature = "embedded"))]
async fn store(_: &Path) -> Finding {
    Finding::left_out("conditional writes", "embedded")
}

/// Makes four conditional writes, two of which must fail.
#[cfg(feature = "embedded")]
async fn store(folder: &Path) -> Finding {
    const CHECK: &str = "conditional writes";
    let mend =
        "set node.data_dir to a directory on a local disk; if it is on one already, report it";
    let store = match Embedded::open(&folder.join("store")) {
        Ok(store) => store,
        Err(error) => return Finding::fail(CHECK, format!("cannot create a store: {error}"), mend),
    };
    match try_conditions(&store).await {
        Ok(()) => Finding::ok(CHECK, "the store enforces its conditions"),
        Err(why) => {
            Finding::fail(CHECK, format!("the store does not enforce its conditions: {why}"), mend)
        }
    }
}

#[cfg(feature = "embedded")]
async fn try_conditions(store: &dyn Store) -> Result<(), String> {
    let put = async |content: &'static str, condition| {
        store.put("doctor", content.into(), condition).await
    };
    let applied = |put: PutOutcome, what: &str| match put {
        PutOutcome::Applied(etag) => Ok(etag),
        other => Err(format!("{what} resulted in {other:?}")),
    };
    let refused = |put: PutOutcome, what: &str| match put {
        PutOutcome::PreconditionFailed => Ok(()),
        other => Err(format!("{what} resulted in {other:?}")),
    };
    let first: ETag = applied(put("1", Condition::Absent).await, "the first write")?;
    refused(put("2", Condition::Absent).await, "a write that requires absence")?;
    applied(
        put("3", Condition::Matches(first.clone())).await,
        "an overwrite of the current version",
    )?;
    refused(put("4", Condition::Matches(first)).await, "an overwrite of an outdated version")?;
    match store.get("doctor").await {
        Ok(Some(blob)) if blob.bytes == "3" => Ok(()),
        other => Err(format!("reading it back returned {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;
    use highlander_testing::memory::Memory;

    #[tokio::test]
    async fn a_folder_that_is_not_there_yet_is_checked_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let findings = check(&folder.path().join("a/b"), StoreKind::Embedded).await;
        assert_eq!(findings.len(), 4);
        assert!(findings.iter().all(|finding| finding.verdict != Verdict::Fail), "{findings:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_a_failure() {
        let findings = check(Path::new("/proc/nothing"), StoreKind::S3).await;
        assert_eq!(findings.first().map(|finding| finding.verdict), Some(Verdict::Fail));
    }

    #[tokio::test]
    async fn a_store_that_enforces_conditions_passes() {
        assert_eq!(try_conditions(&Memory::new()).await, Ok(()));
        let occupied = Memory::new();
        occupied.plant("doctor", "0".into());
        assert!(try_conditions(&occupied).await.is_err());
    }
}
