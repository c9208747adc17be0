//! Processor time that background work may use while clients' calls wait.
//!
//! A pump measures how long it waited for its turn among the tasks of the runtime (the signal of CoDel). A long wait
//! means that calls of clients wait too. Then the pump spends only what it has earned, a fixed part of all processors;
//! otherwise it spends at least [`QUANTUM`] in each turn.

use std::time::Duration;

/// Wait for a turn from which on the node counts as busy.
pub const TARGET: Duration = Duration::from_micros(500);
/// Time that a pump may spend in each turn while the node is not busy.
pub const QUANTUM: Duration = Duration::from_micros(500);
/// Upper bound on the time that a pump can save up.
pub const EARNED_MAX: Duration = Duration::from_millis(5);
/// Guaranteed part of the processors: one in this number.
pub const PART: u32 = 10;

/// Account of one pump. A pump that spends more than its allowance has a debt.
#[derive(Debug, Default, Clone, Copy)]
pub struct Pace {
    earned: Duration,
    debt: Duration,
}

impl Pace {
    /// Begins a turn: adds what `processors` have earned since the last one, `passed` ago, and returns how much the
    /// pump may spend. `waited` is the time that it waited for this turn.
    pub fn begin(&mut self, waited: Duration, passed: Duration, processors: u32) -> Duration {
        let earned = passed * processors / PART;
        let paid = earned.min(self.debt);
        self.debt -= paid;
        self.earned = (self.earned + earned - paid).min(EARNED_MAX);
        if waited >= TARGET {
            return self.earned;
        }
        self.debt = Duration::ZERO;
        self.earned.max(QUANTUM)
    }

    /// Ends a turn in which the pump spent this much.
    pub fn end(&mut self, spent: Duration) {
        let paid = spent.min(self.earned);
        self.earned -= paid;
        self.debt = (self.debt + spent - paid).min(EARNED_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_idle_node_gives_a_quantum_in_each_turn() {
        let mut pace = Pace::default();
        for _ in 0..3 {
            assert_eq!(pace.begin(Duration::ZERO, Duration::ZERO, 2), QUANTUM);
            pace.end(3 * MS);
        }
    }

    #[test]
    fn a_busy_node_gives_only_what_was_earned() {
        let mut pace = Pace::default();
        assert_eq!(pace.begin(TARGET, Duration::ZERO, 2), Duration::ZERO);
        assert_eq!(pace.begin(TARGET, 10 * MS, 2), 2 * MS);
        pace.end(5 * MS);
        assert_eq!(pace.begin(TARGET, 10 * MS, 2), Duration::ZERO, "3 ms are owed");
        assert_eq!(pace.begin(TARGET, 10 * MS, 2), MS);
    }

    #[test]
    fn nothing_is_saved_up_beyond_the_bound() {
        let mut pace = Pace::default();
        assert_eq!(pace.begin(TARGET, 1_000 * MS, 64), EARNED_MAX);
        pace.end(Duration::ZERO);
        assert_eq!(pace.begin(TARGET, 1_000 * MS, 64), EARNED_MAX);
    }

    #[test]
    fn under_load_background_work_gets_its_part_over_time() {
        let mut pace = Pace::default();
        let (mut now, mut spent) = (Duration::ZERO, Duration::ZERO);
        // Each piece of work costs 0.7 ms, and clients use the processors for 2 ms between two turns.
        let piece = Duration::from_micros(700);
        let mut passed = Duration::ZERO;
        while now < 10_000 * MS {
            let allowance = pace.begin(TARGET, passed, 2);
            let mut used = Duration::ZERO;
            while used < allowance {
                used += piece;
            }
            pace.end(used);
            spent += used;
            passed = 2 * MS + used;
            now += passed;
        }
        let part = spent.as_secs_f64() / (2.0 * now.as_secs_f64());
        assert!((0.09..0.11).contains(&part), "{part}");
    }
}
