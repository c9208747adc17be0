//! Deterministic simulation from a seed: many machines, one store, and all faults between them.
//!
//! Three nodes run the production machine for one object each. The store is a chain of conditional writes whose
//! attempts may be delayed without bound, applied with the answer lost, or rejected permanently. Sessions expire, the
//! lease before the claim; tasks crash. After each step, and at the end, the guarantees S1 to S8 that concern a
//! single object are checked. `seeded_bugs_are_found` validates the checks: it plants bugs, and each must be caught.

mod world;

use rand::RngExt as _;
use world::{Bug, CALLS, NODES, World};

use crate::activation::protocol::Input;

/// Steps of one history.
const STEPS: usize = 600;

/// Runs one world to its end.
fn run(seed: u64, bug: Bug) {
    let mut world = World::new(seed, bug);
    let mut next_call = 0;
    for _ in 0..STEPS {
        let node = world.rng.random_range(0..NODES);
        match world.rng.random_range(0..20) {
            0..=1 if next_call < CALLS => {
                world.call(next_call);
                next_call += 1;
            }
            2..=12 => world.act(node),
            13..=16 => world.deliver(),
            17 => {
                world.time_ms += world.rng.random_range(0..3);
                world.step(node, Input::Wake);
            }
            _ => world.disturb(node),
        }
    }
    while !world.flights.is_empty() {
        world.deliver();
    }
    world.check_end();
}

fn seeds() -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    (number("HIGHLANDER_SEED").unwrap_or(1), number("HIGHLANDER_SEEDS").unwrap_or(20_000))
}

#[test]
fn the_promises_hold_whatever_goes_wrong() {
    let (first, count) = seeds();
    for seed in first..first + count {
        let result = std::panic::catch_unwind(|| run(seed, Bug::None));
        assert!(result.is_ok(), "repeat with HIGHLANDER_SEED={seed} HIGHLANDER_SEEDS=1");
    }
}

#[test]
fn strict_answers_are_right_without_any_lease() {
    let (first, count) = seeds();
    for seed in first..first + count / 2 {
        let result = std::panic::catch_unwind(|| run(seed, Bug::NoLeaseButStrict));
        assert!(result.is_ok(), "repeat with HIGHLANDER_SEED={seed} HIGHLANDER_SEEDS=2");
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| {
        let mut world = World::new(seed, Bug::None);
        for caller in 0..CALLS {
            world.call(caller);
            for node in 0..NODES {
                world.act(node);
            }
            world.deliver();
        }
        format!("{:?}", world.chain)
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}

#[test]
fn seeded_bugs_are_found() {
    let missed: Vec<_> = [
        Bug::NoCondition,
        Bug::TimeoutIsDenial,
        Bug::RefusedIsLost,
        Bug::AnswerBeforeWrite,
        Bug::NoLease,
        Bug::LossUnnoticed,
        Bug::NewMarkPerAttempt,
        Bug::ForgetKeys,
    ]
    .into_iter()
    .filter(|&bug| !(1..5_000).any(|seed| std::panic::catch_unwind(|| run(seed, bug)).is_err()))
    .collect();
    assert_eq!(missed, [], "the checks miss these faults");
}
