//! Facts of the machine that help to interpret the figures: processors, kernel, disk latency. They do not affect
//! the measurements.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use tokio::time::Instant;

use crate::samples::Latencies;

/// Number of timed appends, and their length.
const SYNC_COUNT: usize = 200;
const SYNC_BYTES: usize = 600;

/// Facts of this machine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Facts {
    cores: usize,
    processor: String,
    kernel: String,
    memory_gib: f64,
    /// Load average of one minute, before any measurement.
    load_before: String,
    /// Time of an append of 600 bytes with `fdatasync`, in microseconds.
    fsync_p50_us: f64,
    fsync_p99_us: f64,
    /// Build profile of this program, and so of everything that it measures within its process.
    profile: &'static str,
}

impl Facts {
    /// Reads and measures the facts; `folder` is on the disk under test.
    pub(crate) fn gather(folder: &Path) -> Result<Self> {
        let syncs = time_syncs(folder)?;
        let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let first_word = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
        let field = |path: &str, name: &str| {
            let text = line(path);
            let found = text.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            });
            found.unwrap_or_default()
        };
        let memory_kib = first_word(&field("/proc/meminfo", "MemTotal"));
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: field("/proc/cpuinfo", "model name"),
            kernel: line("/proc/sys/kernel/osrelease"),
            memory_gib: memory_kib.parse::<f64>().unwrap_or_default() / 1024.0 / 1024.0,
            load_before: first_word(&line("/proc/loadavg")),
            fsync_p50_us: syncs.micros_at(0.5),
            fsync_p99_us: syncs.micros_at(0.99),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
        })
    }

    /// Returns the facts as one line.
    pub(crate) fn describe(&self) -> String {
        let Self { cores, processor, kernel, memory_gib, load_before, profile, .. } = self;
        format!(
            "{cores} cores ({processor}), {memory_gib:.0} GiB, Linux {kernel}, load before {load_before}, \
             fsync p50 {:.0} µs, p99 {:.0} µs, {profile} build",
            self.fsync_p50_us, self.fsync_p99_us
        )
    }
}

fn time_syncs(folder: &Path) -> Result<Latencies> {
    let mut file = fs::File::create(folder.join("syncs"))?;
    let mut latencies = Latencies::default();
    for _ in 0..SYNC_COUNT {
        let began = Instant::now();
        file.write_all(&[b'x'; SYNC_BYTES])?;
        file.sync_data()?;
        latencies.add(began.elapsed());
    }
    Ok(latencies)
}
