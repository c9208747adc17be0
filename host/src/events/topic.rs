//! One watched object: its recent events, and who waits for the next.
//!
//! It does not know where its events come from, and waits for nobody.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::Change;
use super::event_id::EventId;
use super::frame::Frame;
use super::window::{Gone, Start, Window};
use crate::clock::BootTime;
use crate::id::ObjectId;

/// What those who wait look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Signs {
    /// How often there was something new.
    pub(super) news: u64,
    /// Activations of the object on this node that are over.
    pub(super) endings: u64,
}

/// One watched object.
#[derive(Debug)]
pub struct Topic {
    id: ObjectId,
    window: Mutex<Window>,
    signs: watch::Sender<Signs>,
    listener_count: AtomicUsize,
    /// How often somebody has come to listen.
    visit_count: AtomicU64,
    /// Whether somebody cares that it learns of all changes, and forgets it in the end.
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

    /// The object.
    #[must_use]
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    pub(super) fn publish(&self, change: Change) {
        self.window().publish(change, BootTime::now());
        self.signs.send_modify(|signs| signs.news += 1);
    }

    /// Takes an event that the owner sent from another node.
    pub fn take(&self, frame: Frame) {
        self.window().take(frame, BootTime::now());
        self.signs.send_modify(|signs| signs.news += 1);
    }

    /// Learns that the object is at `version`, where it stands so: the data of a `reset`. Whoever knows of less missed
    /// something, and is told.
    pub fn place(&self, version: u64, stand: Bytes) {
        self.window().place(version, stand, BootTime::now());
        self.signs.send_modify(|signs| signs.news += 1);
    }

    /// The newest event that is known; none until it is known where the object stands.
    #[must_use]
    pub fn head(&self) -> Option<EventId> {
        self.window().head()
    }

    /// Drops what is too old to be kept.
    pub fn trim(&self) {
        self.window().trim(BootTime::now());
    }

    pub(super) fn ended(&self) {
        self.signs.send_modify(|signs| signs.endings += 1);
    }

    /// How many activations on this node are over.
    #[must_use]
    pub fn endings(&self) -> u64 {
        self.signs.borrow().endings
    }

    /// Returns when another activation on this node is over than those that were counted as `seen`.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn ending_after(&self, seen: u64) {
        // The sender is this value's own, so that the channel is open.
        let _ = self.signs.subscribe().wait_for(|signs| signs.endings != seen).await;
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        self.listener_count.load(Ordering::SeqCst) > 0
    }

    pub(super) fn signs(&self) -> watch::Receiver<Signs> {
        self.signs.subscribe()
    }

    /// How often somebody has come to listen.
    #[must_use]
    pub fn visit_count(&self) -> u64 {
        self.visit_count.load(Ordering::SeqCst)
    }

    /// Whether somebody feeds it.
    #[must_use]
    pub fn is_fed(&self) -> bool {
        self.is_fed.load(Ordering::SeqCst)
    }

    /// Takes it on to feed the topic, and to close it in the end; `false` where somebody does already.
    #[must_use]
    pub fn begin_feeding(&self) -> bool {
        !self.is_fed.swap(true, Ordering::SeqCst)
    }

    /// Returns when it is known where the object stands.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn placed(&self) {
        // The sender is this value's own, so that the channel is open.
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
        self.window().start(after)
    }

    pub(super) fn get(&self, count: u64) -> Result<Option<Arc<Frame>>, Gone> {
        self.window().get(count)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        // No step of a change can panic halfway.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
