//! The recent events of one object, in the order of its history: bounded, and never with a hole that is not told.
//!
//! Events come from the object's commits on this node, or from the node that owns it, or from both in turn; what was
//! seen before is left out, and what was missed becomes a `reset`. No lock and no waiting here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Change;
use super::event_id::EventId;
use super::frame::{CHANGED, Frame, RESET, stand};
use crate::clock::BootTime;

/// Events that are kept to resume from.
pub(super) const KEPT_COUNT: usize = 256;
/// Their bytes: more than one version can publish, so that what is dropped ends with a version.
pub(super) const KEPT_BYTES: usize = 512 * 1024;
/// What is younger is kept besides, so that a burst overtakes nobody who reads at all.
const YOUTH: Duration = Duration::from_secs(2);
/// Past these a window does not grow, however young its events are.
const YOUNG_COUNT_MAX: usize = 8192;
const YOUNG_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The recent events of one object.
#[derive(Debug, Default)]
pub(super) struct Window {
    frames: VecDeque<(BootTime, Arc<Frame>)>,
    bytes: usize,
    /// How many events were here before the first in `frames`.
    dropped: u64,
    /// All that came after this, and is not past `head`, is in `frames`. None until it is known where the object is.
    floor: Option<EventId>,
    head: Option<EventId>,
    /// The last end of a version, and where the object stood then.
    stand: Option<(EventId, Bytes)>,
}

/// From where somebody listens.
#[derive(Debug)]
pub(super) enum Start {
    /// From this event on, counted from the first that was ever in the window.
    At(u64),
    /// The same, after being told where the object stands.
    Reset(u64, Frame),
}

impl Window {
    /// The newest id that is known.
    pub(super) fn head(&self) -> Option<EventId> {
        self.head
    }

    /// Takes a change that was committed here.
    pub(super) fn publish(&mut self, change: Change, now: BootTime) {
        let Change { version, events, shown, is_deleted } = change;
        if self.head >= Some(EventId::end_of(version)) {
            return;
        }
        if let Some(before) = version.checked_sub(1) {
            self.place(before, stand(before, None, false), now);
        }
        for (index, event) in (1..).zip(events) {
            self.take(
                Frame::new(Some(EventId::within(version, index)), event.name, event.data),
                now,
            );
        }
        let stand = stand(version, shown.as_ref(), is_deleted);
        self.take(Frame::new(Some(EventId::end_of(version)), CHANGED, stand), now);
    }

    /// Takes one event, as the owner sends it. What was seen before is left out.
    pub(super) fn take(&mut self, frame: Frame, now: BootTime) {
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

    /// Learns that the object is at `version`, where it stands so. Those who listen are told if they missed something.
    pub(super) fn place(&mut self, version: u64, stand: Bytes, now: BootTime) {
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

    /// From where somebody listens who has seen everything up to `after`. None until it is known where the object is.
    pub(super) fn start(&self, after: Option<EventId>) -> Option<Start> {
        let floor = self.floor?;
        if let Some(after) = after.filter(|after| *after >= floor) {
            return Some(Start::At(self.count_of(after)));
        }
        let (id, data) = self.stand.clone()?;
        Some(Start::Reset(self.count_of(id), Frame::new(Some(id), RESET, data)))
    }

    /// What the first event after `id` is counted as.
    fn count_of(&self, id: EventId) -> u64 {
        let is_seen = |(_, frame): &(BootTime, Arc<Frame>)| frame.id <= Some(id);
        self.dropped + self.frames.partition_point(is_seen) as u64
    }

    /// The event that is counted as `count`; none where it is still to come, an error where it is gone.
    pub(super) fn get(&self, count: u64) -> Result<Option<Arc<Frame>>, Gone> {
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

    /// Drops the oldest events, as far as there are too many.
    pub(super) fn trim(&mut self, now: BootTime) {
        while let Some((at, frame)) = self.frames.front() {
            let (count, bytes) = (self.frames.len(), self.bytes);
            let is_small = count <= KEPT_COUNT && bytes <= KEPT_BYTES;
            let is_young =
                now.since(*at) < YOUTH && count <= YOUNG_COUNT_MAX && bytes <= YOUNG_BYTES_MAX;
            // The newest is kept, however large.
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

/// An event that is no more in the window.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone;

#[cfg(test)]
mod tests;
