//! Quotas for the log lines of objects (pure): token buckets for each object, each type and the node.
//!
//! Lines over a quota are dropped, never delayed. The last half of a bucket is left to those that log little: an object
//! that has used at most half of its own burst, and a type that wanted to log at most an eighth of its own. So what
//! logs little is heard beside any number of those that log much.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::clock::BootTime;
use crate::id::ObjectId;

/// Rate and burst of lines and of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Lines per second.
    pub lines_per_s: u32,
    /// Lines at once after a pause.
    pub lines_burst: u32,
    /// Bytes per second.
    pub bytes_per_s: u32,
    /// Bytes at once after a pause.
    pub bytes_burst: u32,
}

/// Quota of one object. Its burst is twice what one call may log.
pub const OBJECT: Quota =
    Quota { lines_per_s: 50, lines_burst: 500, bytes_per_s: 16 << 10, bytes_burst: 128 << 10 };
/// Quota of all objects of a type on one node.
pub const TYPE: Quota =
    Quota { lines_per_s: 500, lines_burst: 2_000, bytes_per_s: 128 << 10, bytes_burst: 512 << 10 };
/// Quota of all objects of a node.
pub const NODE: Quota =
    Quota { lines_per_s: 1_000, lines_burst: 4_000, bytes_per_s: 512 << 10, bytes_burst: 2 << 20 };

/// Interval at which buckets that are full again are forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(1);
/// Maximum number of types that a summary names.
const NAMED_MAX: usize = 5;

/// Quota that a line exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaLevel {
    /// Quota of one call, which the instance counts.
    Call,
    /// Quota of the object.
    Object,
    /// Quota of its type.
    Type,
    /// Quota of the node.
    Node,
}

impl QuotaLevel {
    /// All levels.
    pub const ALL: [Self; 4] = [Self::Call, Self::Object, Self::Type, Self::Node];

    /// Returns the word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Object => "object",
            Self::Type => "type",
            Self::Node => "node",
        }
    }
}

/// Generic cell rate algorithm: the times at which the bucket will be full again.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    lines: BootTime,
    bytes: BootTime,
}

impl Default for Bucket {
    fn default() -> Self {
        let full = BootTime::from_boot(Duration::ZERO);
        Self { lines: full, bytes: full }
    }
}

impl Bucket {
    /// Returns the bucket after one more line.
    fn after(self, quota: &Quota, bytes: u32, now: BootTime) -> Self {
        Self {
            lines: self.lines.max(now) + per(1, quota.lines_per_s),
            bytes: self.bytes.max(now) + per(bytes, quota.bytes_per_s),
        }
    }

    /// Returns the bucket, or an empty one if more than the burst is used.
    fn at_most_empty(self, quota: &Quota, now: BootTime) -> Self {
        Self {
            lines: self.lines.min(now + per(quota.lines_burst, quota.lines_per_s)),
            bytes: self.bytes.min(now + per(quota.bytes_burst, quota.bytes_per_s)),
        }
    }

    /// Whether more than this part of the burst is used.
    fn exceeds(&self, quota: &Quota, divisor: u32, now: BootTime) -> bool {
        let lines = per(quota.lines_burst, quota.lines_per_s) / divisor;
        let bytes = per(quota.bytes_burst, quota.bytes_per_s) / divisor;
        self.lines.since(now) > lines || self.bytes.since(now) > bytes
    }

    /// Whether the bucket denies a line to a sender. `is_loud` states whether the sender logs much.
    fn denies(&self, quota: &Quota, is_loud: bool, now: BootTime) -> bool {
        self.exceeds(quota, if is_loud { 2 } else { 1 }, now)
    }

    fn is_full(&self, now: BootTime) -> bool {
        self.lines.max(self.bytes) <= now
    }
}

/// Returns the time in which `count` units arrive.
fn per(count: u32, per_s: u32) -> Duration {
    Duration::from_secs(1) * count / per_s.max(1)
}

#[derive(Debug, Default)]
struct TypeQuota {
    bucket: Bucket,
    /// Bucket of all lines, those that were dropped included.
    wanted: Bucket,
    /// Buckets of the objects that have logged lately, by key.
    objects: HashMap<Box<str>, Bucket>,
}

/// Dropped lines since the last summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Number of lines.
    pub count: u64,
    /// The types with the most dropped lines, each with their number.
    pub types: String,
}

/// Buckets of a node, and what they have refused. Only lines that are written need memory.
#[derive(Debug)]
pub struct LogQuotas {
    node: Bucket,
    types: HashMap<Box<str>, TypeQuota>,
    dropped: BTreeMap<Box<str>, u64>,
    next_prune: BootTime,
}

impl Default for LogQuotas {
    fn default() -> Self {
        Self {
            node: Bucket::default(),
            types: HashMap::new(),
            dropped: BTreeMap::new(),
            next_prune: BootTime::from_boot(Duration::ZERO),
        }
    }
}

impl LogQuotas {
    /// Admits a line of an object, or counts it as dropped.
    ///
    /// # Errors
    /// The quota that the line exceeds.
    pub fn admit(&mut self, id: &ObjectId, bytes: usize, now: BootTime) -> Result<(), QuotaLevel> {
        self.prune(now);
        let admitted = self.take(id, u32::try_from(bytes).unwrap_or(u32::MAX), now);
        if admitted.is_err() {
            self.count_dropped(id.type_name(), 1);
        }
        admitted
    }

    fn take(&mut self, id: &ObjectId, bytes: u32, now: BootTime) -> Result<(), QuotaLevel> {
        let of_type = self.types.entry(id.type_name().into()).or_default();
        of_type.wanted = of_type.wanted.after(&TYPE, bytes, now).at_most_empty(&TYPE, now);
        let object = of_type.objects.get(id.key()).copied().unwrap_or_default();
        let object = object.after(&OBJECT, bytes, now);
        if object.denies(&OBJECT, false, now) {
            return Err(QuotaLevel::Object);
        }
        let bucket = of_type.bucket.after(&TYPE, bytes, now);
        if bucket.denies(&TYPE, object.exceeds(&OBJECT, 2, now), now) {
            return Err(QuotaLevel::Type);
        }
        let node = self.node.after(&NODE, bytes, now);
        if node.denies(&NODE, of_type.wanted.exceeds(&TYPE, 8, now), now) {
            return Err(QuotaLevel::Node);
        }
        self.node = node;
        of_type.bucket = bucket;
        of_type.objects.insert(id.key().into(), object);
        Ok(())
    }

    /// Counts lines that were dropped for another reason.
    pub fn count_dropped(&mut self, type_name: &str, count: u64) {
        *self.dropped.entry(type_name.into()).or_default() += count;
    }

    /// Returns the lines that were dropped since the last summary, if there are any.
    pub fn take_dropped(&mut self) -> Option<Dropped> {
        let mut types: Vec<_> = std::mem::take(&mut self.dropped).into_iter().collect();
        let count = types.iter().map(|(_, count)| count).sum();
        types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let more = types.len().saturating_sub(NAMED_MAX);
        types.truncate(NAMED_MAX);
        let mut shown: Vec<_> =
            types.into_iter().map(|(name, count)| format!("{name} {count}")).collect();
        if more > 0 {
            shown.push(format!("{more} more types"));
        }
        (count > 0).then(|| Dropped { count, types: shown.join(", ") })
    }

    /// Forgets the buckets that are full: they are as good as new ones.
    fn prune(&mut self, now: BootTime) {
        if now < self.next_prune {
            return;
        }
        self.next_prune = now + PRUNE_EVERY;
        self.types.retain(|_, of_type| {
            of_type.objects.retain(|_, bucket| !bucket.is_full(now));
            !of_type.objects.is_empty() || !of_type.wanted.is_full(now)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(type_name: &str, key: usize) -> ObjectId {
        ObjectId::new(type_name, &key.to_string()).unwrap()
    }

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(1_000_000 + ms))
    }

    /// Returns the number of admitted ones of `count` lines.
    fn admitted(
        quotas: &mut LogQuotas,
        id: &ObjectId,
        bytes: usize,
        count: u32,
        now: BootTime,
    ) -> u32 {
        (0..count).filter(|_| quotas.admit(id, bytes, now).is_ok()).count().try_into().unwrap()
    }

    #[test]
    fn an_object_has_its_burst_and_then_its_rate() {
        let mut quotas = LogQuotas::default();
        let one = id("counter", 1);
        assert_eq!(admitted(&mut quotas, &one, 10, 2_000, at(0)), OBJECT.lines_burst);
        assert_eq!(quotas.admit(&one, 10, at(0)), Err(QuotaLevel::Object));
        assert_eq!(admitted(&mut quotas, &one, 10, 2_000, at(1_000)), OBJECT.lines_per_s);
        // Few long lines are limited by their bytes.
        let lines = OBJECT.bytes_burst / 8_192;
        assert_eq!(admitted(&mut quotas, &id("counter", 2), 8_192, 100, at(1_000)), lines);
    }

    #[test]
    fn many_objects_share_the_quota_of_their_type_and_other_types_are_heard() {
        let mut quotas = LogQuotas::default();
        let written: u32 =
            (0..500).map(|key| admitted(&mut quotas, &id("evil", key), 1_024, 100, at(0))).sum();
        assert!(written * 1_024 <= TYPE.bytes_burst, "{written}");
        assert!(written * 1_024 > TYPE.bytes_burst / 2, "{written}");
        assert_eq!(quotas.admit(&id("evil", 900), 1_024, at(0)), Err(QuotaLevel::Type));
        assert_eq!(admitted(&mut quotas, &id("todo", 1), 1_024, 50, at(0)), 50);
        let dropped = quotas.take_dropped().unwrap();
        assert_eq!(dropped.count, u64::from(50_000 - written) + 1);
        assert_eq!(dropped.types, format!("evil {}", dropped.count));
        assert_eq!(quotas.take_dropped(), None);
    }

    #[test]
    fn many_types_share_the_quota_of_the_node_and_a_quiet_one_is_heard() {
        let mut quotas = LogQuotas::default();
        let flood = |quotas: &mut LogQuotas, now: BootTime| -> u32 {
            let ids = (0..40).flat_map(|ty| (0..20).map(move |key| id(&format!("evil{ty}"), key)));
            ids.map(|id| admitted(quotas, &id, 1_024, 100, now)).sum()
        };
        assert!(flood(&mut quotas, at(0)) * 1_024 <= NODE.bytes_burst);
        for second in 2..=5 {
            let now = at(1_000 * second);
            flood(&mut quotas, now);
            assert_eq!(admitted(&mut quotas, &id("todo", 1), 1_024, 16, now), 16, "{second}");
        }
        let dropped = quotas.take_dropped().unwrap();
        assert!(dropped.types.ends_with(" more types"), "{dropped:?}");
    }

    #[test]
    fn what_is_full_again_is_forgotten() {
        let mut quotas = LogQuotas::default();
        for key in 0..1_000 {
            let _ = quotas.admit(&id("counter", key), 100, at(0));
        }
        assert!(quotas.types["counter"].objects.len() > 500);
        quotas.admit(&id("todo", 1), 100, at(60_000)).unwrap();
        assert_eq!(quotas.types.len(), 1);
    }
}
