//! Bulkhead: limits the concurrent calls to each other node, so that a slow node cannot fill this one with waiting
//! calls.
//!
//! A permit is held for as long as the call is in progress.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use highlander_core::id::NodeId;
use highlander_core::registry::members::Members;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limits of all peers.
#[derive(Debug)]
pub(super) struct PeerLimits {
    peers: Mutex<HashMap<NodeId, Arc<Semaphore>>>,
    per_peer: usize,
    wait: Duration,
}

impl PeerLimits {
    /// Creates limits of `per_peer` permits per node. A call waits at most `wait` for a permit.
    pub(super) fn new(per_peer: usize, wait: Duration) -> Self {
        Self { peers: Mutex::default(), per_peer, wait }
    }

    /// Acquires a permit for a call to `node`; `None` if none is available in time.
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
        let mut peers = self.peers.lock();
        if let Some(places) = peers.get(node) {
            return Arc::clone(places);
        }
        // New nodes are rare enough to remove former members here.
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
        let places = PeerLimits::new(2, Duration::from_millis(50));
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
        // Taking a permit of another node removed the entry of this one, because it is not a member.
        assert!(third.is_some());
    }
}
