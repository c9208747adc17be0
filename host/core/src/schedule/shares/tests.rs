//! The order of turns: newcomers, weights, ranks, and long calls; and a simulation of several threads.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

fn payer(rank: Rank, type_name: &str, weight: u32, object: &str) -> Arc<Payer> {
    Arc::new(Payer { rank, type_name: type_name.into(), weight, object: object.into() })
}

fn of_type(type_name: &str, object: &str) -> Arc<Payer> {
    payer(Rank::Client, type_name, WEIGHT, object)
}

/// Calls of the test name their payer, who calls again for ever.
type Calls = Shares<Arc<Payer>>;

fn put(shares: &mut Calls, payer: &Arc<Payer>) {
    shares.put(Arc::clone(payer), Arc::clone(payer));
}

/// Runs one slice of the next call, which its payer then makes again, and returns the payer.
fn run(shares: &mut Calls, used: Duration) -> Arc<Payer> {
    let (call, turn) = shares.take().unwrap();
    shares.finish(turn, used, None);
    put(shares, &call);
    call
}

/// Runs slices for a time, and returns how many each payer had, by type.
fn served(shares: &mut Calls, slices: usize) -> HashMap<Arc<str>, usize> {
    let mut counts = HashMap::new();
    for _ in 0..slices {
        *counts.entry(Arc::clone(&run(shares, SLICE).type_name)).or_default() += 1;
    }
    counts
}

#[test]
fn a_newcomer_is_next() {
    let mut shares = Shares::default();
    for object in 0..100 {
        put(&mut shares, &of_type("greedy", &object.to_string()));
    }
    served(&mut shares, 250);
    put(&mut shares, &of_type("newcomer", "a"));
    assert_eq!(&*run(&mut shares, SLICE).type_name, "newcomer");
    // From then on, both have half.
    assert_eq!(served(&mut shares, 100)["newcomer"], 50);
}

#[test]
fn a_new_object_does_not_wait_for_all_others_of_its_type() {
    let mut shares = Shares::default();
    for object in 0..100 {
        put(&mut shares, &of_type("type", &object.to_string()));
    }
    served(&mut shares, 250);
    put(&mut shares, &of_type("type", "new"));
    assert_eq!(&*run(&mut shares, SLICE).object, "new");
}

#[test]
fn weights_divide_service() {
    let mut shares = Shares::default();
    for (name, weight) in [("light", 1), ("usual", 100), ("heavy", 900)] {
        put(&mut shares, &payer(Rank::Client, name, weight, "a"));
    }
    let counts = served(&mut shares, 10_010);
    assert!((9..=12).contains(&counts["light"]), "{counts:?}");
    assert!((998..=1002).contains(&counts["usual"]), "{counts:?}");
}

#[test]
fn slices_are_paid_by_their_length() {
    let mut shares = Shares::default();
    put(&mut shares, &of_type("short", "a"));
    put(&mut shares, &of_type("long", "a"));
    let mut counts = [0_u32; 2];
    for _ in 0..1100 {
        let (call, turn) = shares.take().unwrap();
        let is_long = &*call.type_name == "long";
        counts[usize::from(is_long)] += 1;
        shares.finish(turn, if is_long { 10 * SLICE } else { SLICE }, None);
        put(&mut shares, &call);
    }
    assert!((98..=102).contains(&counts[1]), "{counts:?}");
}

#[test]
fn background_gets_a_tenth() {
    let mut shares = Shares::default();
    put(&mut shares, &of_type("clients", "a"));
    for object in 0..50 {
        put(&mut shares, &payer(Rank::Background, "messages", WEIGHT, &object.to_string()));
    }
    let counts = served(&mut shares, 1000);
    assert!((99..=101).contains(&counts["messages"]), "{counts:?}");
}

#[test]
fn an_idle_flow_saves_nothing_up() {
    let mut shares = Shares::default();
    put(&mut shares, &of_type("busy", "a"));
    put(&mut shares, &of_type("idle", "a"));
    while &*run(&mut shares, SLICE).type_name != "idle" {}
    let mut kept = Vec::new();
    while let Some((call, turn)) = shares.take() {
        shares.finish(turn, SLICE, None);
        kept.push(call);
    }
    let busy = of_type("busy", "a");
    put(&mut shares, &busy);
    served(&mut shares, 500);
    put(&mut shares, &of_type("idle", "a"));
    let counts = served(&mut shares, 100);
    assert!((50..=51).contains(&counts["idle"]), "{counts:?}");
}

#[test]
fn flows_are_forgotten() {
    let mut shares = Shares::default();
    put(&mut shares, &of_type("steady", "a"));
    for number in 0..1000 {
        let passing = of_type(&format!("type-{number}"), "a");
        shares.put(Arc::clone(&passing), passing);
        for _ in 0..2 {
            let (call, turn) = shares.take().unwrap();
            shares.finish(turn, SLICE, None);
            if &*call.type_name == "steady" {
                put(&mut shares, &call);
            }
        }
    }
    let types = shares.ranks.content(&Rank::Client).unwrap();
    assert!(types.flow_count() <= 4, "{} types are kept", types.flow_count());
    while let Some((_, turn)) = shares.take() {
        shares.finish(turn, Duration::ZERO, None);
    }
    assert_eq!((shares.len(), shares.ranks.flow_count()), (0, 0));
}

/// Runs the next call for one slice, after which it goes on, and returns its object.
fn go_on(shares: &mut Calls) -> Arc<str> {
    let (call, turn) = shares.take().unwrap();
    shares.finish(turn, SLICE, Some(Arc::clone(&call)));
    Arc::clone(&call.object)
}

#[test]
fn eight_long_calls_of_a_type_go_on_and_the_others_wait_in_order() {
    let mut shares = Shares::default();
    for object in 0..20 {
        put(&mut shares, &of_type("type", &format!("{object:02}")));
    }
    let first: Vec<_> = (0..20).map(|_| go_on(&mut shares)).collect();
    assert!(first.is_sorted() && first.len() == 20, "each has its first slice: {first:?}");
    for _ in 0..80 {
        assert!(&*go_on(&mut shares) < "08");
    }
    // One ends, and one waits for another object: two others take their places.
    for _ in 0..2 {
        let (_, turn) = shares.take().unwrap();
        shares.finish(turn, SLICE, None);
    }
    let mut running: Vec<_> = (0..80).map(|_| go_on(&mut shares)).collect();
    running.sort_unstable();
    running.dedup();
    assert_eq!(running.len(), LONG_STARTED);
    assert!(running.iter().any(|object| &**object == "09"), "{running:?}");
    // Another type is not held up by them.
    put(&mut shares, &of_type("other", "a"));
    let is_other = |shares: &mut Calls| &*go_on(shares) == "a";
    assert!(is_other(&mut shares) || is_other(&mut shares));
    assert_eq!(shares.len(), 19);
    while let Some((_, turn)) = shares.take() {
        shares.finish(turn, SLICE, None);
    }
    assert!(shares.is_empty());
}

/// Threads that run slices of random length, and greedy types that always have calls.
struct Simulation {
    random: StdRng,
    shares: Calls,
    /// Slices in progress: their end, and their call.
    threads: Vec<(Duration, Arc<Payer>, Turn, Duration)>,
    thread_count: usize,
    now: Duration,
    service: HashMap<Arc<str>, Duration>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let (types, thread_count) = (random.random_range(1..20), random.random_range(1..=4));
        let mut shares = Shares::default();
        for number in 0..types {
            for object in 0..random.random_range(thread_count..30) {
                put(&mut shares, &of_type(&format!("greedy-{number}"), &object.to_string()));
            }
        }
        let (now, service) = (Duration::ZERO, HashMap::new());
        Self { random, shares, threads: Vec::new(), thread_count, now, service }
    }

    /// Lets all free threads begin a slice, and returns whose slices began.
    fn begin(&mut self) -> Vec<Arc<Payer>> {
        let mut began = Vec::new();
        while self.threads.len() < self.thread_count {
            let Some((call, turn)) = self.shares.take() else { break };
            let used = SLICE.mul_f64(self.random.random_range(1.0..2.0));
            began.push(Arc::clone(&call));
            self.threads.push((self.now + used, call, turn, used));
        }
        began
    }

    /// Ends the slice that ends first; its payer calls again, or its call goes on.
    fn end(&mut self) {
        let ends = self.threads.iter().enumerate().min_by_key(|(_, thread)| thread.0);
        let (index, _) = ends.unwrap();
        let (end, call, turn, used) = self.threads.swap_remove(index);
        self.now = end;
        *self.service.entry(Arc::clone(&call.type_name)).or_default() += used;
        let goes_on = self.random.random_bool(0.5);
        self.shares.finish(turn, used, goes_on.then(|| Arc::clone(&call)));
        if !goes_on {
            put(&mut self.shares, &call);
        }
    }

    fn run(&mut self, slices: usize) {
        for _ in 0..slices {
            self.begin();
            self.end();
        }
    }
}

#[test]
fn a_newcomer_waits_for_at_most_one_slice_of_each_thread() {
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed);
        // Each type has had its first slice by then, so that the newcomer is the only one.
        let slices = simulation.random.random_range(20..500);
        simulation.run(slices);
        simulation.begin();
        put(&mut simulation.shares, &of_type("newcomer", "a"));
        let mut before = 0;
        loop {
            simulation.end();
            let began = simulation.begin();
            if began.iter().any(|payer| &*payer.type_name == "newcomer") {
                break;
            }
            before += began.len();
            assert!(before <= simulation.thread_count, "seed {seed}: {before} slices were before");
        }
    }
}

#[test]
fn types_that_always_have_calls_are_served_alike() {
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed);
        simulation.run(3000);
        let most = simulation.service.values().max().unwrap();
        let least = simulation.service.values().min().unwrap();
        let slices = u32::try_from(2 * simulation.thread_count).unwrap();
        assert!(*most - *least <= 2 * SLICE * slices, "seed {seed}: {least:?} to {most:?}");
    }
}
