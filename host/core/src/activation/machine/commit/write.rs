//! Start of a write: the record of the newest state, under the condition that the committed one is still there.

use super::resolution::condition;
use super::{Commit, InFlightWrite};
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::protocol::Action;
use crate::clock::BootTime;
use crate::store::record::{Record, Write};

impl<T> Live<T> {
    /// Writes the newest state, unless a write is in progress or nothing has changed.
    pub(in crate::activation::machine) fn begin_write(&mut self, step: &mut Step<'_, T>) {
        if self.commit.is_writing()
            || self.read_barrier.is_under_way()
            || !self.has_uncommitted()
            || self.commit.is_early(self.replies.len(), step.now().time)
        {
            return;
        }
        let now = step.now();
        let write = Write { version: self.current.version(), id: now.write_id };
        let recent = self.commit.committed.recent.with(write);
        let time_ms = self.commit.time_ms(now);
        let entry = self.effects.enter_wake(&self.commit, now);
        let code = self.upgrade.code();
        let record = Record {
            id: step.id().clone(),
            version: write.version,
            epoch: self.commit.epoch,
            owner: now.settings.node.clone(),
            recent: recent.clone(),
            revision: code.revision,
            component: code.component,
            time_ms,
            answered: self.idempotency.to_record(time_ms),
            faults: self.quarantine.faults(),
            effects: self.effects.to_record(),
            state: self.current.state().cloned(),
        };
        let condition = condition(self.commit.committed.etag.as_ref());
        self.commit.batch_window = None;
        self.commit.in_flight = Some(InFlightWrite {
            began: now.time,
            write,
            epoch: self.commit.epoch,
            condition: condition.clone(),
            recent,
            faults: record.faults,
            effects: record.effects.clone(),
            attempts: 1,
            proves: self.read_barrier.newest(),
        });
        step.push(Action::Write(Box::new(record), condition, entry));
    }
}

impl Commit {
    /// Whether the next write still waits for callers, with this number of answers waiting for it.
    fn is_early(&self, waiting: usize, time: BootTime) -> bool {
        self.batch_window.is_some_and(|window| time < window.until && waiting < window.expected)
    }
}
