//! What those who watch objects are told, between a commit and all who listen on this node.
//!
//! The [`Hub`] has a [`topic`] for each object that somebody watches, and for no other: where nobody watches, a commit
//! costs one look at a number. A topic outlives activations, and is fed by the commits of this node or by the events of
//! another one; who that is, and how to find it, is not known here.
//! A reader never makes anybody wait: one that is too slow loses its place, and is told so.

pub mod event_id;
pub mod frame;
pub mod listener;
pub mod sse;
pub mod topic;
mod window;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::effects::Event;
use crate::id::ObjectId;
use crate::metrics::Metrics;
use listener::Seat;
use topic::Topic;

/// Locks that the topics are spread over.
const SHARD_COUNT: usize = 32;

/// One committed change of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The version that it made.
    pub version: u64,
    /// What its handler published, in that order.
    pub events: Vec<Event>,
    /// The state as JSON, if the type shows it. One of more than [`frame::SHOWN_BYTES_MAX`] is not shown.
    pub shown: Option<Bytes>,
    /// Whether the object is deleted now.
    pub is_deleted: bool,
}

/// Whether an event may have this name, as far as letters go: `[a-z][a-z0-9-]{0,62}`.
#[must_use]
pub fn is_event_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 63
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

type Shard = RwLock<HashMap<ObjectId, Arc<Topic>>>;

/// The watched objects of one node. It outlives the node's sessions.
pub struct Hub {
    shards: Box<[Shard]>,
    hasher: RandomState,
    topic_count: AtomicUsize,
    metrics: Arc<Metrics>,
}

impl Hub {
    /// Without topics.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            shards: (0..SHARD_COUNT).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            topic_count: AtomicUsize::new(0),
            metrics,
        }
    }

    /// Tells those who watch `id` of a change that is committed, while this node's lease holds.
    ///
    /// Every version of an activation is to be told, in order: a version that is left out is taken for one that was
    /// made elsewhere, and those who watch get a `reset` in its place.
    pub fn publish(&self, id: &ObjectId, change: Change) {
        if let Some(topic) = self.topic(id) {
            topic.publish(change);
        }
    }

    /// Whether somebody here listens: such an object is in use.
    #[must_use]
    pub fn is_watched(&self, id: &ObjectId) -> bool {
        self.topic(id).is_some_and(|topic| topic.has_listeners())
    }

    /// Whether anybody wants to be told of changes of `id`: where not, nobody needs to prepare any.
    #[must_use]
    pub fn is_followed(&self, id: &ObjectId) -> bool {
        self.topic(id).is_some()
    }

    /// Learns that the activation of `id` on this node is over: changes are made elsewhere from now on, if at all.
    pub fn ended(&self, id: &ObjectId) {
        if let Some(topic) = self.topic(id) {
            topic.ended();
        }
    }

    /// A place among those who listen to `id`.
    #[must_use]
    pub fn seat(self: &Arc<Self>, id: &ObjectId) -> Seat {
        // No step of a change can panic halfway.
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        let topic = shard.get(id).cloned().unwrap_or_else(|| {
            let topic = Arc::new(Topic::new(id.clone()));
            shard.insert(id.clone(), Arc::clone(&topic));
            self.topic_count.fetch_add(1, Ordering::SeqCst);
            topic
        });
        // Within the lock, so that a topic that somebody comes to is not forgotten.
        Seat::new(topic, Arc::clone(self))
    }

    /// Forgets a topic that nobody listens to; `false` where somebody does.
    pub fn close(&self, topic: &Arc<Topic>) -> bool {
        let mut shard = self.shard(topic.id()).write().unwrap_or_else(PoisonError::into_inner);
        if topic.has_listeners() {
            return false;
        }
        if shard.get(topic.id()).is_some_and(|known| Arc::ptr_eq(known, topic)) {
            shard.remove(topic.id());
            self.topic_count.fetch_sub(1, Ordering::SeqCst);
        }
        true
    }

    fn topic(&self, id: &ObjectId) -> Option<Arc<Topic>> {
        // Whoever begins to watch asks for the version afterwards, so that a change that is not seen here is in it.
        if self.topic_count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(id).cloned()
    }

    fn shard(&self, id: &ObjectId) -> &Shard {
        // A remainder is below the number of shards.
        let index = (self.hasher.hash_one(id) % SHARD_COUNT as u64) as usize;
        self.shards.get(index).expect("a remainder is below its divisor")
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("topic_count", &self.topic_count).finish_non_exhaustive()
    }
}
