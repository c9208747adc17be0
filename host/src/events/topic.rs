//! A watched object: its recent events, and notification of its listeners.
//!
//! Publishing an event never blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use highlander_core::events::Change;
use highlander_core::events::event_id::EventId;
use highlander_core::events::frame::Frame;
use highlander_core::events::window::{Gone, Start, Window};
use highlander_core::id::ObjectId;
use highlander_system::clock;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Counters that wake waiting listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Signs {
    /// Number of changes of the window.
    pub(super) news: u64,
    /// Number of ended activations of the object on this node.
    pub(super) endings: u64,
}

/// One watched object.
#[derive(Debug)]
pub struct Topic {
    id: ObjectId,
    window: Mutex<Window>,
    signs: watch::Sender<Signs>,
    listener_count: AtomicUsize,
    /// Number of seats ever reserved.
    visit_count: AtomicU64,
    /// Whether a task feeds the topic. That task ensures that no change is missed, and closes the topic in the
    /// end.
    is_fed: AtomicBool,
}

impl Topic {
    pub(super) fn new(id: ObjectId) -> Self {
        Self {
            id,
            window: Mutex::default(),
            signs: watch::Sender::new(Signs::default()),
            listener_count: AtomicUsize::new(0),
            visit_count: AtomicU64::new(0),
            is_fed: AtomicBool::new(false),
        }
    }

    /// Returns the object.
    #[must_use]
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    pub(super) fn publish(&self, change: Change) {
        self.window.lock().publish(change, clock::now());
        self.signs.send_modify(|signs| signs.news += 1);
    }

    /// Adds an event that the owner sent from another node.
    pub fn take(&self, frame: Frame) {
        self.window.lock().take(frame, clock::now());
        self.signs.send_modify(|signs| signs.news += 1);
    }

    /// Records that the object is at `version`, with `stand` as the data of a `reset`. Listeners at an older
    /// version have missed events and get the `reset`.
    pub fn place(&self, version: u64, stand: Bytes) {
        self.window.lock().place(version, stand, clock::now());
        self.signs.send_modify(|signs| signs.news += 1);
    }

    /// Returns the newest known event; `None` until the object's version is known.
    #[must_use]
    pub fn head(&self) -> Option<EventId> {
        self.window.lock().head()
    }

    /// Drops events that have expired.
    pub fn trim(&self) {
        self.window.lock().trim(clock::now());
    }

    pub(super) fn ended(&self) {
        self.signs.send_modify(|signs| signs.endings += 1);
    }

    /// Returns the number of ended activations on this node.
    #[must_use]
    pub fn endings(&self) -> u64 {
        self.signs.borrow().endings
    }

    /// Waits until the number of ended activations differs from `seen`.
    pub async fn ending_after(&self, seen: u64) {
        // The wait cannot fail, because `self` owns the sender.
        let _ = self.signs.subscribe().wait_for(|signs| signs.endings != seen).await;
    }

    /// Whether the topic has listeners.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        self.listener_count.load(Ordering::SeqCst) > 0
    }

    pub(super) fn signs(&self) -> watch::Receiver<Signs> {
        self.signs.subscribe()
    }

    /// Returns the number of seats ever reserved.
    #[must_use]
    pub fn visit_count(&self) -> u64 {
        self.visit_count.load(Ordering::SeqCst)
    }

    /// Whether a task feeds the topic.
    #[must_use]
    pub fn is_fed(&self) -> bool {
        self.is_fed.load(Ordering::SeqCst)
    }

    /// Makes the caller responsible for feeding and closing the topic. Returns `false` if another task already is.
    #[must_use]
    pub fn begin_feeding(&self) -> bool {
        !self.is_fed.swap(true, Ordering::SeqCst)
    }

    /// Waits until the object's version is known.
    pub async fn placed(&self) {
        // The wait cannot fail, because `self` owns the sender.
        let _ = self.signs.subscribe().wait_for(|_| self.head().is_some()).await;
    }

    pub(super) fn sit_down(&self) {
        self.visit_count.fetch_add(1, Ordering::SeqCst);
        self.listener_count.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn stand_up(&self) {
        self.listener_count.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn start(&self, after: Option<EventId>) -> Option<Start> {
        self.window.lock().start(after)
    }

    pub(super) fn get(&self, count: u64) -> Result<Option<Arc<Frame>>, Gone> {
        self.window.lock().get(count)
    }
}
