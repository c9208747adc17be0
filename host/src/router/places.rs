//! How many calls may be under way to each other node, so that a slow one cannot fill this one with waiting calls.
//!
//! A place is taken for as long as the call is under way. Nothing is known here of what a call is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::id::NodeId;
use crate::registry::members::Members;

/// The places of all peers.
#[derive(Debug)]
pub(super) struct Places {
    peers: Mutex<HashMap<NodeId, Arc<Semaphore>>>,
    per_peer: usize,
    wait: Duration,
}

impl Places {
    /// `per_peer` places for each, for which a call waits no longer than `wait`.
    pub(super) fn new(per_peer: usize, wait: Duration) -> Self {
        Self { peers: Mutex::default(), per_peer, wait }
    }

    /// A place for a call to `node`; none if none became free in time.
    pub(super) async fn take(
        &self,
        node: &NodeId,
        members: &Members,
    ) -> Option<OwnedSemaphorePermit> {
        let places = self.of(node, members);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Some(place);
        }
        tokio::time::timeout(self.wait, places.acquire_owned()).await.ok()?.ok()
    }

    fn of(&self, node: &NodeId, members: &Members) -> Arc<Semaphore> {
        // What is behind the lock is whole at every moment.
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = peers.get(node) {
            return Arc::clone(places);
        }
        // A new node is rare enough to look for those that are gone.
        peers.retain(|known, _| members.find(known).is_some());
        let places = Arc::new(Semaphore::new(self.per_peer));
        peers.insert(node.clone(), Arc::clone(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_a_place_no_longer_than_it_may() {
        let places = Places::new(2, Duration::from_millis(50));
        let (node, members) = (NodeId::new("a"), Members::default());
        let first = places.take(&node, &members).await;
        let _second = places.take(&node, &members).await;
        assert!(first.is_some() && places.take(&node, &members).await.is_none());
        assert!(places.take(&NodeId::new("b"), &members).await.is_some());
        let (_, third) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                drop(first);
            },
            places.take(&node, &members)
        );
        // Taking a place of another node has made this one's be forgotten, for it is no member.
        assert!(third.is_some());
    }
}
