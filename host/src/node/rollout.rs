//! Roll-out on this node: moves live objects to new code after a deployment here or on another node.
//!
//! Every change of a type leads to one pass over its live objects. The pass sets the revision of each object, and
//! the object changes over between two calls. Nodes report their progress to the coordinator, which advances the
//! roll-out.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::catalog::record::TypeRecord;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::TypeName;
use highlander_core::rollout::{Live, PROGRESS_WAIT_MAX, Progress, ProgressQuery};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::Node;
use crate::activation::context::SessionContext;
use crate::activation::dispatch::{probe, want};
use crate::activation::slot::Slot;
use crate::catalog::{Deployed, RecordChange};

/// Number of idle objects that try a revision concurrently; low, so that calls are hardly affected.
const PROBE_COUNT: usize = 4;
/// Interval at which they are checked without a notification.
const PROBE_LOOK: Duration = Duration::from_millis(50);
/// Number of objects visited before the pass yields the thread.
const WALK_LEN: usize = 64;

impl Node {
    /// Deploys a component. The first revision of a type serves at once. A later one is rolled out by all nodes
    /// together.
    ///
    /// # Errors
    /// The errors of [`Catalog::deploy`](crate::catalog::Catalog::deploy).
    ///
    /// # Cancel safety
    /// If the future is dropped, the component may or may not have been deployed.
    pub async fn deploy(&self, wasm: Bytes, terms: &DeployOptions) -> Result<Deployed, Error> {
        let deployed = self.catalog.deploy(wasm, terms).await?;
        if deployed.is_new() {
            tracing::info!(
                type_name = %deployed.type_name, revision = deployed.revision, "deployed"
            );
        }
        if deployed.change != RecordChange::None {
            self.publish_type_change(&deployed.type_name).await;
        }
        Ok(deployed)
    }

    /// Changes the record of a type and notifies all nodes. See
    /// [`Catalog::update_record`](crate::catalog::Catalog::update_record).
    ///
    /// # Errors
    /// The errors of [`Catalog::update_record`](crate::catalog::Catalog::update_record).
    ///
    /// # Cancel safety
    /// If the future is dropped, the record may or may not have changed, and the other nodes may learn of it
    /// later.
    pub async fn update_type<C>(
        &self,
        type_name: &TypeName,
        change: impl Fn(&mut TypeRecord) -> Result<Option<C>, Error>,
    ) -> Result<Option<C>, Error> {
        let changed = self.catalog.update_record(type_name, change).await?;
        if changed.is_some() {
            self.publish_type_change(type_name).await;
            self.refresh_type(type_name).await;
        }
        Ok(changed)
    }

    /// Returns this node's progress with a type, once it has reached the awaited milestone or
    /// [`PROGRESS_WAIT_MAX`] has passed. If the query asks for live objects, visits every object of the node.
    pub async fn progress(&self, type_name: &TypeName, query: ProgressQuery) -> Progress {
        let mut changes = self.catalog.progress_changes();
        let reached = async {
            loop {
                let progress = self.catalog.progress(type_name);
                if query.awaited.is_none_or(|awaited| awaited.is_reached(&progress)) {
                    return progress;
                }
                // The node owns the sender.
                let _ = changes.changed().await;
            }
        };
        let reached = timeout(PROGRESS_WAIT_MAX, reached).await;
        let progress = reached.unwrap_or_else(|_| self.catalog.progress(type_name));
        Progress { live: query.counts_live.then(|| self.live(type_name)), ..progress }
    }

    fn live(&self, type_name: &TypeName) -> Live {
        let mut live = Live::default();
        for position in self.cells_of(type_name).iter().filter_map(|slot| slot.status()) {
            *live.counts.entry(position.revision).or_default() += 1;
            live.may_run.extend([position.revision, position.own_revision]);
        }
        live
    }

    /// Notifies the other nodes that a type has changed. Returns whether that succeeded. After a failure the
    /// notification is kept for [`announce_untold`](Self::announce_untold), and the other nodes find the change
    /// later.
    ///
    /// # Cancel safety
    /// If the future is dropped, the other nodes may or may not be notified.
    pub async fn publish_type_change(&self, type_name: &TypeName) -> bool {
        let told = match self.session() {
            Some(registry) => {
                registry.publish_type_change(type_name).await.map_err(|error| error.to_string())
            }
            None => Err("this node has no session with the registry".to_owned()),
        };
        let mut untold = self.untold.lock();
        match &told {
            Ok(()) => drop(untold.remove(type_name)),
            Err(why) => {
                if untold.insert(type_name.clone()) {
                    tracing::warn!(%type_name, "the other nodes are notified of a change later: {why}");
                }
            }
        }
        told.is_ok()
    }

    /// Sends the pending notifications to the other nodes. Returns whether none is left.
    ///
    /// # Cancel safety
    /// If the future is dropped, unsent notifications are kept.
    pub async fn announce_untold(&self) -> bool {
        let untold = self.untold.lock().clone();
        for type_name in &untold {
            if !self.publish_type_change(type_name).await {
                return false;
            }
        }
        true
    }

    /// Reads a type again. Returns `false` if the store did not answer, so that a retry may succeed.
    pub(super) async fn refresh_type(&self, type_name: &TypeName) -> bool {
        let Err(error) = self.catalog.refresh_now(type_name).await else { return true };
        tracing::warn!(%type_name, "the type's record could not be read again: {error}");
        error.code != ErrorCode::StoreUnavailable
    }

    pub(super) fn cells_of(&self, type_name: &TypeName) -> Vec<Arc<Slot>> {
        let Some(session) = self.current_session() else { return Vec::new() };
        session.ctx.table.select(|slot| slot.id().type_name() == type_name.as_str())
    }

    /// Sets the revision of a type's live objects, and lets them try it.
    async fn apply_revision(&self, type_name: &TypeName) {
        let present = || self.catalog.generation(type_name.as_str());
        let Some(generation) = present() else { return };
        let session = self.current_session();
        let slots = self.cells_of(type_name);
        for some in slots.chunks(WALK_LEN) {
            for slot in some {
                if let (Some(code), Some(session)) = (self.catalog.chosen(slot.id()), &session) {
                    want(slot, code, &session.ctx);
                }
            }
            yield_now().await;
        }
        self.catalog.applied(type_name, generation);
        if let Some(session) = session {
            let mut trying = Vec::with_capacity(PROBE_COUNT);
            for some in slots.chunks(WALK_LEN) {
                if present() != Some(generation) {
                    // Another pass follows.
                    return;
                }
                for slot in some {
                    probe(slot, &session.ctx);
                    trying.push(Arc::clone(slot));
                    ended(&mut trying, PROBE_COUNT - 1, &session.ctx).await;
                }
                yield_now().await;
            }
            ended(&mut trying, 0, &session.ctx).await;
        }
        if present() == Some(generation) {
            self.catalog.probed(type_name, generation);
        }
    }
}

/// Waits until at most `left` of these objects still try a revision, and drops the others from the list.
async fn ended(trying: &mut Vec<Arc<Slot>>, left: usize, ctx: &SessionContext) {
    loop {
        trying.retain(|slot| slot.is_probing());
        if trying.len() <= left {
            return;
        }
        // An activation that ends during its trial sends no notification.
        let _ = timeout(PROBE_LOOK, ctx.probe_ended.notified()).await;
    }
}

/// Applies every change of a type to its live objects, until the node is dropped.
pub(super) async fn follow(node: Weak<Node>, mut gone: watch::Receiver<()>) {
    let Some(mut news) = node.upgrade().map(|node| node.catalog.news().subscribe()) else { return };
    loop {
        let Some(node) = node.upgrade() else { return };
        let mut changed = None;
        node.catalog.news().send_if_modified(|names| {
            changed = names.pop_first();
            false
        });
        if let Some(type_name) = changed {
            if node.catalog.is_removed(type_name.as_str()) {
                // A call in progress may take long, and other types must not wait for it.
                tokio::spawn(async move { node.end_objects(&type_name).await });
            } else {
                node.apply_revision(&type_name).await;
            }
            continue;
        }
        drop(node);
        tokio::select! {
            news = news.changed() => if news.is_err() { return },
            _ = gone.changed() => return,
        }
    }
}
