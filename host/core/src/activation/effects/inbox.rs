//! Detection of duplicate messages from other objects.
//!
//! A sender delivers its messages to one receiver in ascending order, and each only after the previous one was
//! answered. The newest number per sender is therefore sufficient. Age is measured in the receiver's active time,
//! which advances only while it is active.

use crate::id::ObjectId;
use crate::limits::{ANSWERED_RETENTION, SENDERS_MAX};
use crate::store::record::effects::{DurableEffects, Received};

impl DurableEffects {
    /// Whether this message has already taken effect.
    #[must_use]
    pub fn has_received(&self, sender: &ObjectId, number: u64) -> bool {
        let newest = self.received.iter().rev().find(|known| known.sender == *sender);
        newest.is_some_and(|newest| number <= newest.number)
    }

    /// Records that this message takes effect now, and evicts senders beyond the retention time or the limit.
    pub fn receive(&mut self, sender: &ObjectId, number: u64, time_ms: u64) {
        let oldest_ms = time_ms.saturating_sub(ANSWERED_RETENTION.as_millis() as u64);
        self.received.retain(|known| known.sender != *sender && known.time_ms >= oldest_ms);
        let surplus = (self.received.len() + 1).saturating_sub(SENDERS_MAX);
        self.received.drain(..surplus);
        self.received.push(Received { sender: sender.clone(), number, time_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(key: &str) -> ObjectId {
        ObjectId::new("list", key).unwrap()
    }

    #[test]
    fn what_is_not_newer_is_a_repetition() {
        let mut effects = DurableEffects::default();
        assert!(!effects.has_received(&sender("a"), 1));
        effects.receive(&sender("a"), 3, 0);
        effects.receive(&sender("b"), 1, 0);
        assert!(effects.has_received(&sender("a"), 3) && effects.has_received(&sender("a"), 1));
        assert!(!effects.has_received(&sender("a"), 4) && !effects.has_received(&sender("b"), 2));
    }

    #[test]
    fn senders_are_forgotten_by_age_and_number() {
        let mut effects = DurableEffects::default();
        effects.receive(&sender("old"), 1, 0);
        effects.receive(&sender("new"), 1, 1_000);
        effects.receive(&sender("now"), 1, ANSWERED_RETENTION.as_millis() as u64 + 1);
        assert!(!effects.has_received(&sender("old"), 1));
        assert!(effects.has_received(&sender("new"), 1));
        for n in 0..SENDERS_MAX {
            effects.receive(&sender(&n.to_string()), 1, 700_000);
        }
        assert_eq!(effects.received.len(), SENDERS_MAX);
        assert!(!effects.has_received(&sender("now"), 1));
    }
}
