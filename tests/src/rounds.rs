//! How often a test repeats what it does: a few times where everybody waits for it, many times in a soak.
//!
//! `HIGHLANDER_SOAK=1` asks for the many.

/// Whether this is a run that may take hours.
#[must_use]
pub fn is_soak() -> bool {
    std::env::var("HIGHLANDER_SOAK").is_ok_and(|value| value == "1")
}

/// The number of rounds of this run.
#[must_use]
pub fn rounds(normal: u64, soak: u64) -> u64 {
    if is_soak() { soak } else { normal }
}
