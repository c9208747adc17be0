//! Event distribution on this node, from committed changes to subscribers.
//!
//! The [`Hub`] has a [`topic`] for each watched object and for no other. Without subscribers, a commit costs a
//! single counter check. A topic outlives activations. It is fed by the commits of this node or by another node's
//! events. Publishers never wait for a reader: a reader that is too slow loses its position and is notified of
//! that.

pub mod listener;
pub mod topic;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use highlander_core::caller::Caller;
use highlander_core::error::Error;
use highlander_core::events::Change;
use highlander_core::events::watchers::Watchers;
use highlander_core::id::ObjectId;
use parking_lot::{Mutex, RwLock};

use crate::metrics::Metrics;
use listener::{Place, Seat};
use topic::Topic;

/// Number of locks over which the topics are sharded.
const SHARD_COUNT: usize = 32;

type Shard = RwLock<HashMap<ObjectId, Arc<Topic>>>;

/// Watched objects of one node. The hub outlives the node's sessions.
pub struct Hub {
    shards: Box<[Shard]>,
    hasher: RandomState,
    topic_count: AtomicUsize,
    /// Places of this node's clients.
    watchers: Mutex<Watchers>,
    metrics: Arc<Metrics>,
}

impl Hub {
    /// Creates a hub without topics.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            shards: (0..SHARD_COUNT).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            topic_count: AtomicUsize::new(0),
            watchers: Mutex::default(),
            metrics,
        }
    }

    /// Publishes a committed change of `id` to its subscribers, while this node's lease holds.
    ///
    /// Every version of an activation must be published, in order. A missing version counts as one that another
    /// node committed, and subscribers get a `reset` in its place.
    pub fn publish(&self, id: &ObjectId, change: Change) {
        if let Some(topic) = self.topic(id) {
            topic.publish(change);
        }
    }

    /// Whether `id` has subscribers on this node; such an object is in use.
    #[must_use]
    pub fn is_watched(&self, id: &ObjectId) -> bool {
        self.topic(id).is_some_and(|topic| topic.has_listeners())
    }

    /// Whether changes of `id` must be published. If not, they need not be prepared.
    #[must_use]
    pub fn is_followed(&self, id: &ObjectId) -> bool {
        self.topic(id).is_some()
    }

    /// Records that the activation of `id` on this node has ended: any later change is made on another node.
    pub fn ended(&self, id: &ObjectId) {
        if let Some(topic) = self.topic(id) {
            topic.ended();
        }
    }

    /// Takes a place for a client that watches `id`.
    ///
    /// # Errors
    /// [`NodeFull`](highlander_core::error::ErrorCode::NodeFull) if the caller, or the object, holds as many places as
    /// are free.
    pub fn place(self: &Arc<Self>, caller: &Caller, id: &ObjectId) -> Result<Place, Error> {
        self.watchers.lock().enter(caller, id)?;
        Ok(Place { hub: Arc::clone(self), caller: caller.clone(), id: id.clone() })
    }

    /// Reserves a seat in the topic of `id`; creates the topic if necessary.
    #[must_use]
    pub fn seat(self: &Arc<Self>, id: &ObjectId) -> Seat {
        let mut shard = self.shard(id).write();
        let topic = shard.get(id).cloned().unwrap_or_else(|| {
            let topic = Arc::new(Topic::new(id.clone()));
            shard.insert(id.clone(), Arc::clone(&topic));
            self.topic_count.fetch_add(1, Ordering::SeqCst);
            topic
        });
        // Created under the lock, so that `close` cannot remove the topic first.
        Seat::new(topic, Arc::clone(self))
    }

    /// Removes a topic without subscribers. Returns `false` if it has any.
    pub fn close(&self, topic: &Arc<Topic>) -> bool {
        let mut shard = self.shard(topic.id()).write();
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
        // A new subscriber reads the version after it gets its seat, so that version includes any change skipped
        // here.
        if self.topic_count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let shard = self.shard(id).read();
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
