//! Many call chains among few objects, in any order of arrival: none waits forever, and none is rejected unless it is
//! part of a cycle.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::call_context::chain::{Chain, ChainAge};
use crate::limits::LOOK_PAUSE_MAX;

/// Caller deadline in milliseconds; never reached.
const TIMEOUT_MS: u64 = 3_600_000;
const OBJECTS: usize = 6;

/// Call chain: its objects and its age.
struct Way {
    objects: Vec<usize>,
    age: ChainAge,
}

/// Pending answer of a call in a chain, or pending permission to make the next call.
#[derive(Debug, Clone, Copy)]
enum Token {
    Answer { way: usize, depth: usize },
    Leave { way: usize, depth: usize },
}

impl Token {
    fn number(self) -> u32 {
        let number = match self {
            Self::Answer { way, depth } => (way * 16 + depth) * 2,
            Self::Leave { way, depth } => (way * 16 + depth) * 2 + 1,
        };
        u32::try_from(number).unwrap()
    }

    fn of(number: u32) -> Self {
        let place = number as usize / 2;
        let (way, depth) = (place / 16, place % 16);
        if number.is_multiple_of(2) {
            Self::Answer { way, depth }
        } else {
            Self::Leave { way, depth }
        }
    }
}

/// Objects whose handlers call the next object of their chain and return its answer.
struct Circles {
    rng: StdRng,
    benches: Vec<Bench>,
    ways: Vec<Way>,
    under_way: Vec<(usize, Input<u32>)>,
    /// Error of the chains in which a call was rejected; it becomes the outcome of the whole chain.
    refusals: BTreeMap<usize, ErrorCode>,
    outcomes: BTreeMap<usize, Result<(), ErrorCode>>,
    time_ms: u64,
}

impl Circles {
    fn new(seed: u64, is_ordered: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let benches = (0..OBJECTS).map(|object| {
            let mut bench = Bench::of(name(object));
            bench.activate(None);
            bench.settings.mailbox_len = 1000;
            bench
        });
        let benches = benches.collect();
        let ways = std::iter::repeat_with(|| {
            let mut objects: Vec<_> = (0..OBJECTS).collect();
            objects.shuffle(&mut rng);
            objects.truncate(rng.random_range(1..=OBJECTS));
            if is_ordered {
                objects.sort_unstable();
            }
            Way { objects, age: ChainAge { began_ms: rng.random_range(0..9), nonce: rng.random() } }
        });
        let ways = ways.take(20).collect();
        let (under_way, refusals, outcomes) = Default::default();
        Self { rng, benches, ways, under_way, refusals, outcomes, time_ms: 0 }
    }

    /// Whether the call at this depth is the chain's last.
    fn is_last(&self, way: usize, depth: usize) -> bool {
        self.ways[way].objects.len() == depth + 1
    }

    fn call(&mut self, way: usize, depth: usize) {
        let Way { objects, age } = &self.ways[way];
        let behind = objects.iter().take(depth).map(|object| name(*object));
        let chain = Chain::of(behind.collect(), *age).map(Arc::new);
        let call = Call {
            origin: Origin { chain, ..Origin::default() },
            deadline: BootTime::from_boot(Duration::from_millis(TIMEOUT_MS)),
            ..call(&format!("{way} {depth}"))
        };
        let event = Input::Call(call, Token::Answer { way, depth }.number());
        self.under_way.push((objects[depth], event));
    }

    fn step(&mut self, object: usize, event: Input<u32>) {
        let bench = &mut self.benches[object];
        bench.time_ms = self.time_ms;
        bench.step(event);
        let actions = std::mem::take(&mut bench.actions);
        for (number, outcome) in bench.outcomes() {
            self.answered(Token::of(number), outcome.map(drop));
        }
        for action in actions {
            let run = match action {
                Action::Run(run) => run,
                Action::FindWaitPath(departure, callee) => {
                    let path = self.path(object, callee);
                    self.under_way.push((object, Input::WaitPathFound(departure, path)));
                    continue;
                }
                other => panic!("objects only call: {other:?}"),
            };
            let (way, depth) = run.handler.split_once(' ').unwrap();
            let (way, depth) = (way.parse().unwrap(), depth.parse().unwrap());
            let event = match self.is_last(way, depth) {
                true => Input::Ran(RunOutcome::Queried { reply: Bytes::new() }),
                false => {
                    let Way { objects, age } = &self.ways[way];
                    let leave = Token::Leave { way, depth }.number();
                    Input::OutboundStarted(*age, name(objects[depth + 1]), leave)
                }
            };
            self.under_way.push((object, event));
        }
    }

    /// Returns the wait-for path from `callee`, as it is reported to `object`.
    fn path(&self, object: usize, callee: ObjectId) -> Vec<ObjectId> {
        let mut path = vec![callee];
        let waits_for = |id: &ObjectId| {
            let bench = self.benches.iter().find(|bench| bench.machine.id == *id)?;
            bench.machine.status()?.waits_for
        };
        while let Some(next) = path.last().and_then(waits_for)
            && next != name(object)
            && !path.contains(&next)
        {
            path.push(next);
        }
        path
    }

    fn answered(&mut self, token: Token, outcome: Result<(), ErrorCode>) {
        match token {
            Token::Leave { way, depth } => {
                assert_eq!(outcome, Ok(()), "everything is committed");
                self.call(way, depth + 1);
            }
            Token::Answer { way, depth: 0 } => {
                let outcome = self.refusals.remove(&way).map_or(outcome, Err);
                assert_eq!(self.outcomes.insert(way, outcome), None, "one answer");
            }
            Token::Answer { way, depth } => {
                if let Err(code) = outcome {
                    self.refusals.insert(way, code);
                }
                let object = self.ways[way].objects[depth - 1];
                self.step(object, Input::OutboundFinished);
                self.step(object, Input::Ran(RunOutcome::Queried { reply: Bytes::new() }));
            }
        }
    }

    /// Runs until everything is answered; returns how often the clock had to advance.
    fn run(&mut self) -> u32 {
        (0..self.ways.len()).for_each(|way| self.call(way, 0));
        let mut waits = 0;
        while self.outcomes.len() < self.ways.len() || !self.under_way.is_empty() {
            if self.under_way.is_empty() {
                waits += 1;
                self.pass();
            } else {
                let next = self.rng.random_range(0..self.under_way.len());
                let (object, event) = self.under_way.swap_remove(next);
                self.step(object, event);
            }
        }
        waits
    }

    /// Advances the clock to the next requested wake time when no event is left.
    fn pass(&mut self) {
        let wakes = self.benches.iter().map(|bench| bench.machine.next_wake(&bench.settings));
        let due = wakes.enumerate().filter_map(|(object, due)| Some((due?, object))).min();
        let (due, object) = due.expect("an object is waiting");
        let due_ms = due.since(BootTime::from_boot(Duration::ZERO)).as_millis();
        self.time_ms = u64::try_from(due_ms).unwrap();
        assert!(self.time_ms < TIMEOUT_MS, "a wait cycle persists");
        self.step(object, Input::Wake);
    }
}

fn name(object: usize) -> ObjectId {
    ObjectId::new("counter", &object.to_string()).unwrap()
}

#[test]
fn no_circle_of_waiting_lasts() {
    let (mut circles, mut done) = (0, 0);
    for seed in 0..2_000 {
        let mut world = Circles::new(seed, false);
        let waits = world.run();
        circles += waits;
        for outcome in world.outcomes.values() {
            assert!(
                matches!(outcome, Ok(()) | Err(ErrorCode::CallConflict)),
                "seed {seed}: {outcome:?}"
            );
            done += u64::from(outcome.is_ok());
        }
        let longest = LOOK_PAUSE_MAX * waits;
        assert!(Duration::from_millis(world.time_ms) <= longest, "seed {seed}");
    }
    assert!(circles > 1_000 && done > 10_000, "{circles} cycles, {done} done");
}

#[test]
fn chains_that_form_no_circle_are_never_refused() {
    for seed in 0..1_000 {
        let mut world = Circles::new(seed, true);
        assert_eq!(world.run(), 0, "seed {seed}");
        assert!(world.outcomes.values().all(Result::is_ok), "seed {seed}: {:?}", world.outcomes);
    }
}
