//! Randomness that can be repeated: `HIGHLANDER_SEED` is the seed, and without it one is drawn and printed.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The random numbers of one test. The seed is printed, and shown where the test fails.
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
