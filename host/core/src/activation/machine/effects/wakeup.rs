//! Wake-ups of an object: its entry in the wake-up index, and the reply to a wake-up.
//!
//! Invariant: an entry is written before the record that refers to it, and removed after the record that no longer
//! does.

use std::sync::Arc;

use super::EffectsState;
use super::alarms::next_alarm_ms;
use crate::activation::effects::view::WakeResult;
use crate::activation::machine::commit::Commit;
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::protocol::{Action, Now};
use crate::activation::reply::Reply;
use crate::store::record::effects::{DurableEffects, WakeupEntry};

impl EffectsState {
    /// Processes a commit that replaced these effects: removes the index entry if the record no longer refers to it.
    pub(in crate::activation::machine) fn committed<T>(
        &mut self,
        replaced: Option<&Arc<DurableEffects>>,
        commit: &Commit,
        step: &mut Step<'_, T>,
    ) {
        let committed = commit.effects();
        if let Some(wake) = entry_of(replaced).filter(|wake| entry_of(committed) != Some(*wake)) {
            step.push(Action::DeleteWakeupEntry(wake));
        }
        if replaced.map(Arc::as_ptr) != committed.map(Arc::as_ptr) {
            self.deliveries.look_again();
            self.schedule_alarm(commit, step);
        }
    }

    /// Returns the index entry to write before the record, if the record needs a different one from the committed
    /// one.
    pub(in crate::activation::machine) fn enter_wake(
        &mut self,
        commit: &Commit,
        now: Now<'_>,
    ) -> Option<WakeupEntry> {
        self.deliveries.recorded();
        let durable = self.newest()?;
        let wake = durable.wake_for(now.wall_ms, now.write_id);
        if wake != durable.wake {
            self.edit().wake = wake;
        }
        wake.filter(|wake| entry_of(commit.effects()) != Some(*wake))
    }

    /// Returns the reply to a wake-up, which fired this alarm or none.
    pub(in crate::activation::machine) fn wake_reply(
        &self,
        fired: Option<&str>,
        commit: &Commit,
    ) -> Reply {
        let entries = [
            entry_of(commit.effects()),
            entry_of(commit.effects_in_flight()),
            entry_of(self.newest.as_ref()),
        ];
        Reply::Woken(Box::new(WakeResult::new(fired, entries.into_iter().flatten())))
    }
}

impl<T> Live<T> {
    /// Writes outstanding bookkeeping as a separate change when the object is woken, unless a change that is not
    /// sent yet records it anyway.
    pub(in crate::activation::machine) fn update_wakeup(&mut self, step: &mut Step<'_, T>) {
        let now = step.now();
        // A committed alarm that is due needs no other wake-up: either this one fires it, or it was handled, and the
        // commit announces the next one.
        if next_alarm_ms(&self.commit).is_some_and(|next_ms| next_ms > now.wall_ms) {
            self.effects.schedule_alarm(&self.commit, step);
        }
        if self.current.version() > self.commit.sent_version() {
            return;
        }
        let is_outdated = |durable: &DurableEffects| durable.needs_other_wake(now.wall_ms);
        let EffectsState { newest, deliveries } = &mut self.effects;
        if deliveries.owes_record() || newest.as_deref().is_some_and(is_outdated) {
            deliveries.recorded();
            self.current.bump(now);
        }
    }
}

fn entry_of(durable: Option<&Arc<DurableEffects>>) -> Option<WakeupEntry> {
    durable.and_then(|durable| durable.wake)
}
