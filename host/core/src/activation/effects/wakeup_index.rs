//! Wake-up index: computes when an object must be woken, and names the store entry that says so.
//!
//! The entry is a hint, and the record is authoritative. An entry is written before the record that refers to it, and
//! removed after the record no longer refers to it. A crash therefore leaves at most a surplus entry. Entry names are
//! never reused.

use sha2::Digest as _;

use crate::id::{Hex, ObjectId, parse_hex};
use crate::store::record::WriteId;
use crate::store::record::effects::{DurableEffects, WakeupEntry};

/// Milliseconds per minute.
const MINUTE_MS: u64 = 60_000;
/// Number of index shards, which are distributed among the nodes.
pub const SHARD_COUNT: u8 = 16;
/// Common prefix of all entry names.
const PREFIX: &str = "wake/";

/// Returns the minute that contains a time.
#[must_use]
pub fn minute_of(time_ms: u64) -> u64 {
    time_ms / MINUTE_MS
}

impl DurableEffects {
    /// Returns the entry that the next record needs: the current one if it is early enough and not past, otherwise a
    /// new one with this mark.
    #[must_use]
    pub fn wake_for(&self, now_ms: u64, mark: WriteId) -> Option<WakeupEntry> {
        let minute = self.wanted_minute(now_ms)?;
        let is_good = |wake: &WakeupEntry| (minute_of(now_ms)..=minute).contains(&wake.minute);
        Some(self.wake.filter(is_good).unwrap_or(WakeupEntry { minute, nonce: mark }))
    }

    /// Whether the record needs a different entry from the one it has.
    #[must_use]
    pub fn needs_other_wake(&self, now_ms: u64) -> bool {
        let mark = self.wake.map_or(WriteId([0; 16]), |wake| wake.nonce);
        self.wake_for(now_ms, mark) != self.wake
    }

    /// Returns the minute in which the object must be woken, if any: when its first alarm is due, and in the next
    /// minute if messages are undelivered.
    fn wanted_minute(&self, now_ms: u64) -> Option<u64> {
        let now = minute_of(now_ms);
        let alarm = self.next_alarm_ms().map(|at| minute_of(at).max(now));
        let messages = (!self.outbox.is_empty()).then_some(now + 1);
        alarm.into_iter().chain(messages).min()
    }
}

/// Returns the name of an entry.
#[must_use]
pub fn entry_name(id: &ObjectId, wake: &WakeupEntry) -> String {
    let object = id.blob_key();
    let object = object.strip_prefix("objects/").unwrap_or(&object);
    let object = object.strip_suffix(".json").unwrap_or(object);
    format!("{}{:012}/{object}/{}", shard_prefix(shard_of(id)), wake.minute, Hex(&wake.nonce.0))
}

/// Returns the common prefix of a shard's entries. Within a shard, names sort by minute.
#[must_use]
pub fn shard_prefix(shard: u8) -> String {
    format!("{PREFIX}{shard:02x}/")
}

/// Parses an entry name. Returns `None` if the name is not a valid entry name.
#[must_use]
pub fn read_entry(name: &str) -> Option<(ObjectId, WakeupEntry)> {
    let mut parts = name.strip_prefix(PREFIX)?.split('/');
    let (_shard, minute) = (parts.next()?, parts.next()?.parse().ok()?);
    let (type_name, key) = (parts.next()?, parts.next()?);
    let mark = parse_hex(parts.next()?)?;
    let id = ObjectId::from_blob_key(&format!("objects/{type_name}/{key}.json"))?;
    parts.next().is_none().then_some((id, WakeupEntry { minute, nonce: WriteId(mark) }))
}

fn shard_of(id: &ObjectId) -> u8 {
    let digest = sha2::Sha256::digest(id.as_str().as_bytes());
    digest.first().copied().unwrap_or_default() % SHARD_COUNT
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::effects::{Alarm, Message};

    const MARK: WriteId = WriteId([7; 16]);

    fn with_alarm(due_ms: u64) -> DurableEffects {
        let alarm = Alarm::new("a", due_ms, None, "ring", "null");
        DurableEffects { alarms: Some([alarm].into()), ..DurableEffects::default() }
    }

    fn at(minute: u64) -> u64 {
        minute * MINUTE_MS + 500
    }

    #[test]
    fn the_first_alarm_says_when_to_wake_and_what_is_over_is_now() {
        assert_eq!(DurableEffects::default().wake_for(at(5), MARK), None);
        assert_eq!(with_alarm(at(9)).wake_for(at(5), MARK).map(|wake| wake.minute), Some(9));
        assert_eq!(with_alarm(at(3)).wake_for(at(5), MARK).map(|wake| wake.minute), Some(5));
    }

    #[test]
    fn messages_are_looked_after_within_a_minute() {
        let message = Message {
            to: "list/a".parse().unwrap(),
            handler: "take".into(),
            argument: Bytes::from_static(b"null"),
        };
        let mut effects = with_alarm(at(9));
        effects.post(&[message]).unwrap();
        assert_eq!(effects.wake_for(at(5), MARK).map(|wake| wake.minute), Some(6));
    }

    #[test]
    fn an_entry_is_kept_while_it_is_early_enough_and_not_over() {
        let other = WakeupEntry { minute: 7, nonce: WriteId([1; 16]) };
        for (alarm, now, minute) in [(9, 5, 7), (9, 7, 7), (9, 8, 9), (6, 5, 6)] {
            let effects = DurableEffects { wake: Some(other), ..with_alarm(at(alarm)) };
            let wake = effects.wake_for(at(now), MARK).unwrap();
            assert_eq!(wake.minute, minute, "alarm {alarm}, now {now}");
            assert_eq!(wake == other, minute == 7);
            assert_eq!(effects.needs_other_wake(at(now)), minute != 7);
        }
        let idle = DurableEffects { wake: Some(other), ..DurableEffects::default() };
        assert!(idle.needs_other_wake(at(5)) && !DurableEffects::default().needs_other_wake(at(5)));
    }

    #[test]
    fn names_of_entries_are_read_as_they_were_written() {
        let wake = WakeupEntry { minute: 29_000_000, nonce: MARK };
        for id in ["todo/42", "list/a b/c%2F\u{4e16}"] {
            let id: ObjectId = id.parse().unwrap();
            let name = entry_name(&id, &wake);
            assert!(name.starts_with(&shard_prefix(shard_of(&id))), "{name}");
            assert_eq!(read_entry(&name), Some((id, wake)));
        }
        for bad in ["", "wake/", "wake/00/x/todo/42/00", "objects/todo/42.json"] {
            assert_eq!(read_entry(bad), None, "{bad}");
        }
    }
}
