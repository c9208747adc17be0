//! Order in which a node gives up idle instances: those that hold many bytes for a long time go first.
//!
//! Instances are sorted into a few classes by size, and within a class by the time of their last use. The victim is
//! the oldest instance of the class whose oldest one has the largest product of size and idle time. A single list by
//! age would give up thousands of small instances before one large one that was used a moment ago.

use std::time::Duration;

/// Number of size classes.
pub const SIZE_CLASS_COUNT: usize = 8;
/// Size up to which an instance belongs to the first class. Each further class reaches up to four times as far.
const FIRST_CLASS_BYTES: usize = 64 * 1024;
/// Size up to which an instance is kept however much it has grown.
const GROWN_BYTES_MIN: usize = 1024 * 1024;
/// Multiple of its size after `restore` at which an instance is replaced.
const GROWTH_MAX: usize = 8;

/// Memory of one instance, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceMemory {
    /// Present size.
    pub bytes: usize,
    /// Size after its first `restore`.
    pub restored_bytes: usize,
    /// Maximum size.
    pub max: usize,
}

impl InstanceMemory {
    /// Memory of an instance that holds none.
    pub const NONE: Self = Self { bytes: 0, restored_bytes: 0, max: usize::MAX };

    /// Whether the instance must be replaced before its object's next call: it has grown to most of its maximum, or
    /// to many times its size after `restore`. Runtimes with a garbage collector never shrink their memory, so that
    /// without a replacement a later call would reach the maximum.
    #[must_use]
    pub fn is_overgrown(self) -> bool {
        // A new instance would be hardly smaller than one that needs most of its memory for its state.
        let has_grown = self.bytes > self.restored_bytes.saturating_add(self.restored_bytes / 4);
        let most = self.max - self.max / 4;
        let is_multiplied = self.bytes > GROWN_BYTES_MIN
            && self.bytes > self.restored_bytes.saturating_mul(GROWTH_MAX);
        has_grown && (self.bytes > most || is_multiplied)
    }
}

/// Returns the size class of an instance, less than [`SIZE_CLASS_COUNT`].
#[must_use]
pub fn size_class(bytes: usize) -> usize {
    let mut class = 0;
    let mut bytes_max = FIRST_CLASS_BYTES;
    while bytes > bytes_max && class < SIZE_CLASS_COUNT - 1 {
        class += 1;
        bytes_max *= 4;
    }
    class
}

/// Oldest instance of a size class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oldest {
    /// Size class.
    pub class: usize,
    /// Size in bytes.
    pub bytes: usize,
    /// Time since its last use.
    pub idle: Duration,
}

/// Returns the class that gives up its oldest instance: the one with the largest product of size and idle time, and
/// of several equal ones the first.
#[must_use]
pub fn victim(oldest: impl IntoIterator<Item = Oldest>) -> Option<usize> {
    // One more byte: instances without memory are given up by age.
    let weight = |one: &Oldest| (one.bytes as u128 + 1) * one.idle.as_nanos().max(1);
    let heavier = |best: Oldest, one: Oldest| if weight(&one) > weight(&best) { one } else { best };
    oldest.into_iter().reduce(heavier).map(|one| one.class)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;
    const MIB: usize = 1024 * 1024;

    #[test]
    fn a_size_class_reaches_four_times_as_far_as_the_one_before() {
        for (bytes, class) in [
            (0, 0),
            (64 * KIB, 0),
            (64 * KIB + 1, 1),
            (256 * KIB, 1),
            (MIB, 2),
            (4 * MIB, 3),
            (16 * MIB, 4),
            (58 * MIB, 5),
            (256 * MIB, 6),
            (256 * MIB + 1, 7),
            (usize::MAX, SIZE_CLASS_COUNT - 1),
        ] {
            assert_eq!(size_class(bytes), class, "{bytes}");
        }
    }

    fn old(class: usize, bytes: usize, idle_s: u64) -> Oldest {
        Oldest { class, bytes, idle: Duration::from_secs(idle_s) }
    }

    #[test]
    fn the_largest_product_of_size_and_idle_time_is_given_up() {
        for (oldest, class) in [
            (vec![], None),
            (vec![old(2, MIB, 1)], Some(2)),
            // Of two equally old ones the larger, of two equally large ones the older.
            (vec![old(2, MIB, 10), old(5, 58 * MIB, 10)], Some(5)),
            (vec![old(2, MIB, 11), old(3, MIB, 10)], Some(2)),
            // A large one that was used a moment ago goes before a small one that is somewhat older.
            (vec![old(2, MIB, 50), old(5, 58 * MIB, 1)], Some(5)),
            (vec![old(2, MIB, 60), old(5, 58 * MIB, 1)], Some(2)),
            // Nothing but age distinguishes instances without memory, and the first of equals is given up.
            (vec![old(0, 0, 1), old(1, 0, 2)], Some(1)),
            (vec![old(0, 0, 0), old(1, 0, 0)], Some(0)),
            (vec![old(0, 0, 1), old(7, usize::MAX, u64::MAX / 1_000_000_000)], Some(7)),
        ] {
            assert_eq!(victim(oldest.clone()), class, "{oldest:?}");
        }
    }

    #[test]
    fn an_instance_that_has_grown_far_is_replaced() {
        for (bytes, restored_bytes, is_overgrown) in [
            (0, 0, false),
            // Most of its memory.
            (48 * MIB, 10 * MIB, false),
            (48 * MIB + 1, 10 * MIB, true),
            (64 * MIB, 10 * MIB, true),
            // Many times its size after `restore`, unless it is still small.
            (8 * MIB, MIB, false),
            (8 * MIB + 1, MIB, true),
            (MIB, 10 * KIB, false),
            (MIB + 1, 10 * KIB, true),
            // It needs its memory for its state: a new instance would be as large.
            (60 * MIB, 60 * MIB, false),
            (60 * MIB, 48 * MIB, false),
            (61 * MIB, 48 * MIB, true),
        ] {
            let memory = InstanceMemory { bytes, restored_bytes, max: 64 * MIB };
            assert_eq!(memory.is_overgrown(), is_overgrown, "{memory:?}");
        }
        assert!(!InstanceMemory::NONE.is_overgrown());
    }
}
