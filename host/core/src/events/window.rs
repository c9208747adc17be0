//! Bounded window of an object's recent events, in the order of its history. Every gap is marked by a `reset`.
//!
//! Events come from the object's commits on this node, from the node that owns it, or from both in turn.
//! Duplicates are dropped, and missing events become a `reset`. The window has no lock and never blocks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::BootTime;
use crate::events::event_id::EventId;
use crate::events::frame::{CHANGED, Frame, RESET, stand};
use crate::events::{Change, ShownState};

/// Number of events kept for resuming.
pub const KEPT_COUNT: usize = 256;
/// Bytes of events kept for resuming. One version publishes less, so that the dropped part ends with a version.
pub const KEPT_BYTES: usize = 512 * 1024;
/// Events younger than this are kept in addition, so that a burst does not overtake an active reader.
const YOUTH: Duration = Duration::from_secs(2);
/// Limits of the window's size, however young its events are.
const YOUNG_COUNT_MAX: usize = 8192;
const YOUNG_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Recent events of one object.
#[derive(Debug, Default)]
pub struct Window {
    frames: VecDeque<(BootTime, Arc<Frame>)>,
    bytes: usize,
    /// Number of events dropped before the first in `frames`.
    dropped: u64,
    /// `frames` holds every event after this one, up to `head`. `None` until the object's version is known.
    floor: Option<EventId>,
    head: Option<EventId>,
    /// Newest end of a version, and the object's state at that point.
    stand: Option<(EventId, Bytes)>,
}

/// Starting point of a subscription.
#[derive(Debug)]
pub enum Start {
    /// This event, counted from the first that was ever in the window.
    At(u64),
    /// The same, after a `reset` with the current state.
    Reset(u64, Frame),
}

impl Window {
    /// Returns the newest known id.
    pub fn head(&self) -> Option<EventId> {
        self.head
    }

    /// Adds a change that was committed on this node.
    pub fn publish(&mut self, change: Change, now: BootTime) {
        let Change { version, events, state } = change;
        if self.head >= Some(EventId::end_of(version)) {
            return;
        }
        if let Some(before) = version.checked_sub(1) {
            self.place(before, stand(before, &ShownState::Hidden), now);
        }
        for (index, event) in (1..).zip(events) {
            self.take(
                Frame::new(Some(EventId::within(version, index)), event.name, event.data),
                now,
            );
        }
        let stand = stand(version, &state);
        self.take(Frame::new(Some(EventId::end_of(version)), CHANGED, stand), now);
    }

    /// Adds an event from the owner. Events that are already known are ignored.
    pub fn take(&mut self, frame: Frame, now: BootTime) {
        let Some(id) = frame.id else { return };
        if *frame.name == *RESET {
            return self.place(id.version(), frame.data, now);
        }
        if self.head >= Some(id) {
            return;
        }
        self.floor.get_or_insert(EventId::end_of(id.version().saturating_sub(1)));
        if id == EventId::end_of(id.version()) {
            self.stand = Some((id, frame.data.clone()));
        }
        self.push(id, frame, now);
    }

    /// Records that the object is at `version` with this state. Adds a `reset` if events were missed.
    pub fn place(&mut self, version: u64, stand: Bytes, now: BootTime) {
        let id = EventId::end_of(version);
        if self.head >= Some(id) {
            return;
        }
        self.stand = Some((id, stand.clone()));
        if self.head.is_some() {
            return self.push(id, Frame::new(Some(id), RESET, stand), now);
        }
        (self.floor, self.head) = (Some(id), Some(id));
    }

    /// Returns the starting point for a subscriber that has seen all events up to `after`. `None` until the
    /// object's version is known.
    pub fn start(&self, after: Option<EventId>) -> Option<Start> {
        let floor = self.floor?;
        if let Some(after) = after.filter(|after| *after >= floor) {
            return Some(Start::At(self.count_of(after)));
        }
        let (id, data) = self.stand.clone()?;
        Some(Start::Reset(self.count_of(id), Frame::new(Some(id), RESET, data)))
    }

    /// Returns the position of the first event after `id`.
    fn count_of(&self, id: EventId) -> u64 {
        let is_seen = |(_, frame): &(BootTime, Arc<Frame>)| frame.id <= Some(id);
        self.dropped + self.frames.partition_point(is_seen) as u64
    }

    /// Returns the event at position `count`; `None` if it has not happened yet, an error if it was dropped.
    pub fn get(&self, count: u64) -> Result<Option<Arc<Frame>>, Gone> {
        let index = count.checked_sub(self.dropped).ok_or(Gone)?;
        let index = usize::try_from(index).map_err(|_| Gone)?;
        Ok(self.frames.get(index).map(|(_, frame)| Arc::clone(frame)))
    }

    fn push(&mut self, id: EventId, frame: Frame, now: BootTime) {
        self.head = Some(id);
        self.bytes += frame.size();
        self.frames.push_back((now, Arc::new(frame)));
        self.trim(now);
    }

    /// Drops the oldest events beyond the limits.
    pub fn trim(&mut self, now: BootTime) {
        while let Some((at, frame)) = self.frames.front() {
            let (count, bytes) = (self.frames.len(), self.bytes);
            let is_small = count <= KEPT_COUNT && bytes <= KEPT_BYTES;
            let is_young =
                now.since(*at) < YOUTH && count <= YOUNG_COUNT_MAX && bytes <= YOUNG_BYTES_MAX;
            // The newest event is kept, whatever its size.
            if is_small || is_young || count == 1 {
                return;
            }
            self.bytes -= frame.size();
            self.floor = frame.id;
            self.frames.pop_front();
            self.dropped += 1;
        }
    }
}

/// Error for an event that is no longer in the window.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone;

#[cfg(test)]
mod tests;
