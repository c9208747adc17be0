//! Reproducible randomness: the seed is `HIGHLANDER_SEED`, or else drawn and printed.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Returns the random generator of one test. The seed is printed, and shown if the test fails.
#[must_use]
pub fn random_numbers(test: &str) -> StdRng {
    let given = std::env::var("HIGHLANDER_SEED").ok();
    let seed = given.map_or_else(
        || rand::rng().random(),
        |text| text.parse().expect("HIGHLANDER_SEED is a number"),
    );
    eprintln!("{test}: repeat with HIGHLANDER_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
