//! Drain and rebalancing: hands objects over to other nodes, in batches of claims.
//!
//! An object serves calls until its batch starts. From then on, callers get "not executed", so that their router
//! finds the next owner. The claim becomes free as soon as the object has no work in progress.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use highlander_core::activation::Reason;
use highlander_core::registry::claims::ClaimKey;
use highlander_core::registry::members::NodeStatus;

use super::session::Session;
use super::{Node, until};
use crate::activation::dispatch::deactivate;
use crate::activation::slot::Slot;

/// Number of claims handed over together.
const BATCH: usize = 64;
/// Time limit for one batch before the next one starts; the remainder is retried.
const BATCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before the remainder is retried.
const ROUND_PAUSE: Duration = Duration::from_millis(50);

type Groups = BTreeMap<ClaimKey, Vec<Arc<Slot>>>;

impl Node {
    /// Stops activating objects, hands every object over, and releases every claim, within `limit`.
    ///
    /// Returns the number of objects that are still active at the end. Their claims end with the session, and no
    /// confirmed change is lost.
    ///
    /// # Cancel safety
    /// If the future is dropped, the node continues to refuse activations.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.is_draining.store(true, Ordering::SeqCst);
        let draining = async {
            while let Some(session) = self.current_session() {
                if let Err(error) = session.ctx.registry.set_status(NodeStatus::Draining).await {
                    tracing::warn!(
                        "the other nodes may not know yet that this node is draining: {error}"
                    );
                }
                if hand_over_all(&session).await {
                    return;
                }
                tokio::time::sleep(ROUND_PAUSE).await;
            }
        };
        // After the time limit, the remainder is only counted.
        let _ = tokio::time::timeout(limit, draining).await;
        self.active_count()
    }
}

/// Hands over all objects and claims. Returns whether none is left.
async fn hand_over_all(session: &Session) -> bool {
    let mut groups = groups(session);
    for key in session.ctx.registry.held() {
        groups.entry(key).or_default();
    }
    hand_over(session, groups, Reason::Draining).await;
    session.ctx.table.is_empty() && session.ctx.registry.held().is_empty()
}

/// Hands over the claims that `chosen` selects, with all objects under them.
pub(super) async fn hand_over_chosen(session: &Session, chosen: impl Fn(ClaimKey) -> bool) {
    let keys = session.ctx.registry.held().into_iter().filter(|key| chosen(*key));
    let mut chosen: Groups = keys.map(|key| (key, Vec::new())).collect();
    if chosen.is_empty() {
        return;
    }
    for (key, slots) in groups(session) {
        if let Some(group) = chosen.get_mut(&key) {
            *group = slots;
        }
    }
    hand_over(session, chosen, Reason::Moved).await;
}

fn groups(session: &Session) -> Groups {
    let mut groups = Groups::new();
    for slot in session.slots() {
        groups.entry(session.key_of(slot.id())).or_default().push(slot);
    }
    groups
}

async fn hand_over(session: &Session, groups: Groups, reason: Reason) {
    let mut groups: Vec<_> = groups.into_iter().collect();
    while !groups.is_empty() {
        let batch = groups.split_off(groups.len().saturating_sub(BATCH));
        let keys: Vec<_> = batch.iter().map(|(key, _)| *key).collect();
        session.mark_leaving(&keys);
        let done = end_batch(session, batch, reason);
        if tokio::time::timeout(BATCH_TIMEOUT, done).await.is_err() {
            tracing::warn!(batch = keys.len(), "some objects cannot be handed over yet");
        }
        session.unmark_leaving(&keys);
    }
}

async fn end_batch(session: &Session, batch: Vec<(ClaimKey, Vec<Arc<Slot>>)>, reason: Reason) {
    let (keys, slots): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let mut slots: Vec<_> = slots.into_iter().flatten().collect();
    until(|| {
        slots.retain(|slot| !slot.is_cold());
        slots.iter().for_each(|slot| deactivate(slot, reason, &session.ctx));
        slots.is_empty()
    })
    .await;
    let handed_over = keys.iter().map(|key| session.ctx.registry.hand_over(*key));
    for (key, handed_over) in keys.iter().zip(futures_util::future::join_all(handed_over).await) {
        if let Err(error) = handed_over {
            tracing::warn!(%key, "the release of the claim failed and will be retried: {error}");
        }
    }
}
