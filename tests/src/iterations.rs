//! Number of iterations of a test: few in a normal run, many in a soak run.
//!
//! `HIGHLANDER_SOAK=1` selects the soak run.

/// Whether this run may take hours.
#[must_use]
pub fn is_soak() -> bool {
    std::env::var("HIGHLANDER_SOAK").is_ok_and(|value| value == "1")
}

/// Returns the number of iterations of this run.
#[must_use]
pub fn iterations(normal: u64, soak: u64) -> u64 {
    if is_soak() { soak } else { normal }
}
