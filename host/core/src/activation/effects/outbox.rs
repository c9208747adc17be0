//! Outbox: selection of messages to deliver, and dead letters with their retry and removal.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::backoff;
use crate::effects::Message;
use crate::id::ObjectId;
use crate::limits::{
    DEAD_LETTERS_MAX, DELIVERY_PAUSE_MAX, DELIVERY_PAUSE_MIN, MESSAGE_TRIES_MAX, OUTBOX_BYTES_MAX,
    OUTBOX_COUNT_MAX,
};
use crate::store::record::effects::{DeadLetter, DurableEffects, Pending};

/// The object has reached its limit of undelivered messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it would have more than {OUTBOX_COUNT_MAX} undelivered messages, or more than {OUTBOX_BYTES_MAX} bytes of them"
)]
pub struct Full;

/// Consequence of a message that its receiver rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The message is sent again after this pause.
    Again(Duration),
    /// The message is now a dead letter.
    Dead,
}

impl DurableEffects {
    /// Appends messages to the outbox.
    ///
    /// # Errors
    /// [`Full`]; nothing was changed.
    pub fn post(&mut self, messages: &[Message]) -> Result<(), Full> {
        let sizes = self.outbox.iter().map(|pending| &pending.message).chain(messages);
        let bytes: usize = sizes.map(|message| message.argument.len()).sum();
        if self.outbox.len() + messages.len() > OUTBOX_COUNT_MAX || bytes > OUTBOX_BYTES_MAX {
            return Err(Full);
        }
        for message in messages {
            self.sent += 1;
            self.outbox.push(Pending { number: self.sent, message: message.clone(), tries: 0 });
        }
        Ok(())
    }

    /// Returns the oldest message for each receiver, among those up to number `committed` whose receiver is not
    /// `busy`.
    pub fn deliverable<'a>(
        &'a self,
        committed: u64,
        busy: impl Fn(&ObjectId) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Pending> {
        let mut seen = BTreeSet::new();
        let sent = self.outbox.iter().take_while(move |pending| pending.number <= committed);
        sent.filter(move |pending| seen.insert(&pending.message.to) && !busy(&pending.message.to))
    }

    /// Removes the message with this number; returns whether it existed.
    pub fn delivered(&mut self, number: u64) -> bool {
        let before = self.outbox.len();
        self.outbox.retain(|pending| pending.number != number);
        self.outbox.len() < before
    }

    /// Records that the receiver rejected this message or failed on it. Returns `None` if the message does not exist.
    pub fn refused(&mut self, number: u64, why: &str, now_ms: u64) -> Option<Refused> {
        let index = self.outbox.iter().position(|pending| pending.number == number)?;
        let pending = self.outbox.get_mut(index)?;
        pending.tries += 1;
        if pending.tries < MESSAGE_TRIES_MAX {
            return Some(Refused::Again(delivery_pause(pending.tries)));
        }
        let Pending { number, message, .. } = self.outbox.remove(index);
        self.dead.push(DeadLetter { number, message, why: why.into(), time_ms: now_ms });
        self.bound_dead();
        Some(Refused::Dead)
    }

    /// Evicts the oldest dead letters beyond the limits.
    fn bound_dead(&mut self) {
        let mut bytes = 0;
        let kept = self.dead.iter().rev().take(DEAD_LETTERS_MAX).take_while(|letter| {
            bytes += letter.message.argument.len();
            bytes <= OUTBOX_BYTES_MAX
        });
        let surplus = self.dead.len() - kept.count();
        self.dead.drain(..surplus);
    }

    /// Sends dead letters again, as new messages: the one with this number, or all. Returns their count.
    ///
    /// # Errors
    /// [`Full`]; nothing was changed.
    pub fn retry_dead(&mut self, number: Option<u64>) -> Result<usize, Full> {
        let messages: Vec<_> = self.chosen(number).map(|letter| letter.message.clone()).collect();
        self.post(&messages)?;
        self.drop_dead(number);
        Ok(messages.len())
    }

    /// Discards dead letters: the one with this number, or all. Returns their count.
    pub fn drop_dead(&mut self, number: Option<u64>) -> usize {
        let before = self.dead.len();
        self.dead.retain(|letter| number.is_some_and(|number| letter.number != number));
        before - self.dead.len()
    }

    fn chosen(&self, number: Option<u64>) -> impl Iterator<Item = &DeadLetter> {
        self.dead.iter().filter(move |letter| number.is_none_or(|number| letter.number == number))
    }
}

/// Returns the pause after this many attempts.
#[must_use]
pub fn delivery_pause(attempts: u32) -> Duration {
    backoff(DELIVERY_PAUSE_MIN, attempts.saturating_sub(1), DELIVERY_PAUSE_MAX)
}

/// Truncates a failure reason to 500 characters.
#[must_use]
pub fn reason(text: &str) -> Arc<str> {
    let end = text.char_indices().nth(500).map_or(text.len(), |(index, _)| index);
    text.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(to: &str, bytes: usize) -> Message {
        let to = ObjectId::new("list", to).unwrap();
        Message { to, handler: "take".into(), argument: Bytes::from(vec![b'1'; bytes]) }
    }

    fn numbers<'a>(pending: impl Iterator<Item = &'a Pending>) -> Vec<u64> {
        pending.map(|pending| pending.number).collect()
    }

    #[test]
    fn each_receiver_gets_its_oldest_message_first_and_only_committed_ones() {
        let mut effects = DurableEffects::default();
        let messages = ["a", "b", "a", "c"].map(|to| message(to, 1));
        effects.post(&messages).unwrap();
        assert_eq!(numbers(effects.deliverable(3, |_| false)), [1, 2]);
        assert_eq!(numbers(effects.deliverable(4, |to| to.key() == "a")), [2, 4]);
        assert!(effects.delivered(1) && !effects.delivered(1));
        assert_eq!(numbers(effects.deliverable(4, |_| false)), [2, 3, 4]);
    }

    #[test]
    fn a_full_outbox_takes_nothing() {
        let mut effects = DurableEffects::default();
        effects.post(&vec![message("a", 1); OUTBOX_COUNT_MAX]).unwrap();
        let before = effects.clone();
        assert_eq!(effects.post(&[message("a", 1)]), Err(Full));
        assert_eq!(effects, before);
        let mut effects = DurableEffects::default();
        effects.post(&[message("a", OUTBOX_BYTES_MAX)]).unwrap();
        assert_eq!(effects.post(&[message("a", 1)]), Err(Full));
    }

    #[test]
    fn a_refused_message_is_tried_a_few_times_and_then_dead() {
        let mut effects = DurableEffects::default();
        effects.post(&[message("a", 1), message("a", 2)]).unwrap();
        let mut pauses = Vec::new();
        while let Some(Refused::Again(pause)) = effects.refused(1, "no", 7) {
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800]);
        assert_eq!(numbers(effects.outbox.iter()), [2]);
        assert_eq!(
            effects.dead.first().map(|letter| (letter.number, letter.time_ms)),
            Some((1, 7))
        );
        assert_eq!(effects.refused(1, "no", 7), None);
        assert_eq!(effects.retry_dead(Some(9)), Ok(0));
        assert_eq!(effects.retry_dead(Some(1)), Ok(1));
        assert_eq!(numbers(effects.outbox.iter()), [2, 3], "a separate message");
        assert!(effects.dead.is_empty());
    }

    #[test]
    fn dead_letters_are_bounded_and_can_be_dropped() {
        let mut effects = DurableEffects::default();
        for _ in 0..DEAD_LETTERS_MAX + 5 {
            effects.post(&[message("a", 1)]).unwrap();
            let number = effects.sent;
            while effects.refused(number, "no", 0) != Some(Refused::Dead) {}
        }
        assert_eq!(effects.dead.len(), DEAD_LETTERS_MAX);
        assert_eq!(effects.dead.first().map(|letter| letter.number), Some(6));
        assert_eq!((effects.drop_dead(Some(6)), effects.drop_dead(Some(6))), (1, 0));
        assert_eq!(effects.drop_dead(None), DEAD_LETTERS_MAX - 1);
    }
}
