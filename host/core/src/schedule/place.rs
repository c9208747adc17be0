//! Where a call runs, by what is known about earlier calls of its handler.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::bucket::Bucket;
use crate::clock::BootTime;

/// Factor for all times: code without optimization takes about ten times as long.
const SCALE: u32 = if cfg!(debug_assertions) { 10 } else { 1 };
/// Longest processor time of a call that runs in its caller's task.
pub const SHORT: Duration = Duration::from_micros(100).saturating_mul(SCALE);
/// Part of all cores that the short calls of one type may take before they wait like others, in percent.
const TYPE_PERCENT: u32 = 25;
/// The same for all types.
const NODE_PERCENT: u32 = 50;
/// Processor time that the short calls of one type may take at a time.
const TYPE_BURST: Duration = Duration::from_millis(2).saturating_mul(SCALE);
/// The same for all types.
const NODE_BURST: Duration = Duration::from_millis(4).saturating_mul(SCALE);
/// Upper bounds of the size classes, in bytes; the last class has none.
const SIZES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];
/// Kinds of work of one handler: with and without a new instance, in each size class.
const KINDS: usize = 2 * (SIZES.len() + 1);

/// Place of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its caller's task.
    Inline,
    /// A guest thread, after those that are before it.
    Lane,
}

/// Returns the place of a call. Unknown handlers wait, because they may take any time.
#[must_use]
pub fn place(
    predicted: Option<Duration>,
    of_type: &Bucket,
    of_node: &Bucket,
    now: BootTime,
) -> Place {
    match predicted {
        Some(cost) if cost <= SHORT && of_type.has_credit(now) && of_node.has_credit(now) => {
            Place::Inline
        }
        _ => Place::Lane,
    }
}

/// Returns the credit for the short calls of one type, on a node with this many cores.
#[must_use]
pub fn type_bucket(cores: usize) -> Bucket {
    Bucket::new(percent_of(cores, TYPE_PERCENT), TYPE_BURST)
}

/// Returns the credit for the short calls of all types, on a node with this many cores.
#[must_use]
pub fn node_bucket(cores: usize) -> Bucket {
    Bucket::new(percent_of(cores, NODE_PERCENT), NODE_BURST)
}

fn percent_of(cores: usize, percent: u32) -> u32 {
    u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(percent)
}

/// Processor time that calls of one kind take: their peak, which decays.
#[derive(Debug, Default)]
pub struct Cost {
    /// In nanoseconds; 0 if unknown.
    nanos: AtomicU32,
}

impl Cost {
    /// Returns the expected processor time; `None` before the first call.
    #[must_use]
    pub fn predicted(&self) -> Option<Duration> {
        match self.nanos.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos.into())),
        }
    }

    /// Takes the processor time of a call into account.
    ///
    /// A time between the peak and half of it changes nothing, so that cores rarely contend for the record.
    pub fn learn(&self, used: Duration) {
        let known = self.nanos.load(Ordering::Relaxed);
        let used = u32::try_from(used.as_nanos()).unwrap_or(u32::MAX).max(1);
        if used > known || used < known / 2 {
            self.nanos.store(used.max(known - known / 8), Ordering::Relaxed);
        }
    }
}

/// Work of one call, as far as it is known before the call.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Index of its handler in the description of the type.
    pub handler: usize,
    /// Whether an instance must be created or restored.
    pub is_cold: bool,
    /// Bytes of the state and of the argument.
    pub bytes: usize,
}

/// Costs of all handlers of a revision.
///
/// A large state takes longer to restore and to write than a small one, so each handler has a record for each size.
#[derive(Debug)]
pub struct HandlerCosts(Box<[[Cost; KINDS]]>);

impl HandlerCosts {
    /// Creates the records of a revision with this many handlers.
    #[must_use]
    pub fn new(handler_count: usize) -> Self {
        Self((0..handler_count).map(|_| Default::default()).collect())
    }

    /// Returns the record for this work; `None` if the handler does not exist.
    #[must_use]
    pub fn of(&self, work: Work) -> Option<&Cost> {
        let class = SIZES.iter().filter(|max| work.bytes > **max).count();
        self.0.get(work.handler)?.get(2 * class + usize::from(work.is_cold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: BootTime = BootTime::from_boot(Duration::from_secs(1000));
    const QUICK: Duration = Duration::from_micros(10);

    fn placed(cost: &Cost) -> Place {
        place(cost.predicted(), &type_bucket(1), &node_bucket(1), NOW)
    }

    #[test]
    fn an_unknown_handler_begins_in_the_lane() {
        let cost = Cost::default();
        assert_eq!(placed(&cost), Place::Lane);
        cost.learn(QUICK);
        assert_eq!(placed(&cost), Place::Inline);
    }

    #[test]
    fn one_overrun_is_remembered() {
        let cost = Cost::default();
        cost.learn(QUICK);
        cost.learn(40 * SHORT);
        let mut visits = 0;
        while placed(&cost) == Place::Lane {
            cost.learn(QUICK);
            visits += 1;
        }
        assert!((20..40).contains(&visits), "{visits} calls in the lane");
        let before = cost.predicted();
        cost.learn(before.unwrap() * 3 / 4);
        assert_eq!(cost.predicted(), before, "a usual time is not written");
    }

    #[test]
    fn a_type_or_a_node_without_credit_waits() {
        let of_node = node_bucket(1);
        let greedy = type_bucket(1);
        greedy.charge(2 * TYPE_BURST, NOW);
        assert_eq!(place(Some(QUICK), &greedy, &of_node, NOW), Place::Lane);
        assert_eq!(place(Some(QUICK), &type_bucket(1), &of_node, NOW), Place::Inline);
        of_node.charge(2 * NODE_BURST, NOW);
        assert_eq!(place(Some(QUICK), &type_bucket(1), &of_node, NOW), Place::Lane);
    }

    #[test]
    fn large_states_do_not_slow_small_ones() {
        let costs = HandlerCosts::new(2);
        let work = |handler, is_cold, bytes| costs.of(Work { handler, is_cold, bytes });
        work(1, false, 1 << 20).unwrap().learn(30 * SHORT);
        work(1, true, 100).unwrap().learn(10 * SHORT);
        work(1, false, 100).unwrap().learn(QUICK);
        assert_eq!(work(1, false, 200).unwrap().predicted(), Some(QUICK));
        assert_eq!(work(1, false, 8 << 10).unwrap().predicted(), None);
        assert_eq!(work(0, false, 100).unwrap().predicted(), None);
        assert!(work(1, false, 1 << 22).unwrap().predicted() > Some(SHORT));
        assert!(work(2, false, 0).is_none());
    }
}
