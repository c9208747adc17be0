//! New code for living objects: a deployment here, or the notice of one elsewhere.
//!
//! Whatever changes about a type ends in one walk over its live objects, each of which is told which revision it is to
//! run; it changes over between two calls. Who moves a roll-out on is decided above, from what each node reports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::Node;
use crate::activation::cell::Cell;
use crate::activation::offer::{probe, want};
use crate::activation::surroundings::Surroundings;
use crate::catalog::record::TypeRecord;
use crate::catalog::rollout::Terms;
use crate::catalog::{Deployed, Taken};
use crate::error::{Code, Error};
use crate::id::TypeName;

/// Objects of a node that try a revision at the same time without a call: few, so that calls hardly notice.
const PROBE_COUNT: usize = 4;
/// How often those are looked at although none has said that it is done.
const PROBE_LOOK: Duration = Duration::from_millis(50);
/// Objects that are visited in a row before others have their turn on the thread.
const WALK_LEN: usize = 64;

/// Whether a revision can be run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// It was not tried yet.
    #[default]
    Unknown,
    /// It can.
    Ready,
    /// It cannot, for this reason.
    Failed(String),
}

/// How far this node is with a type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The mark of the type's record as this node knows it.
    pub mark: u64,
    /// Whether the revision that is coming can be run here.
    pub readiness: Readiness,
    /// Whether every call to a live object runs what the record says.
    pub is_turned: bool,
    /// Whether every live object has tried it.
    pub is_tried: bool,
    /// How they took to it.
    pub taken: Taken,
    /// Which revisions the live objects run, where that was asked for.
    pub live: Option<Live>,
}

/// Which revisions the live objects of a type run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Live {
    /// How many run each of them at their next call.
    pub counts: BTreeMap<u32, usize>,
    /// All that any of them may still run, one that fails with what its next call runs included.
    pub may_run: BTreeSet<u32>,
}

/// Up to which change of a type's record this node has told its objects, and had them try.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Turned {
    pub(super) told: u64,
    pub(super) tried: u64,
}

impl Node {
    /// Deploys a component. The first of a type serves at once; what takes the place of another is rolled out, by the
    /// nodes together.
    ///
    /// # Errors
    /// As [`Catalog::deploy`](crate::catalog::Catalog::deploy).
    ///
    /// # Cancel safety
    /// The component may or may not have been deployed.
    pub async fn deploy(&self, wasm: Bytes, terms: &Terms) -> Result<Deployed, Error> {
        let deployed = self.catalog.deploy(wasm, terms).await?;
        if deployed.is_new {
            tracing::info!(
                type_name = %deployed.type_name, revision = deployed.revision, "deployed"
            );
            self.announce(&deployed.type_name).await;
        }
        Ok(deployed)
    }

    /// Changes the record of a type, and tells all nodes. See [`Catalog::amend`](crate::catalog::Catalog::amend).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there; the other nodes may learn of it later.
    pub async fn amend_type<C>(
        &self,
        type_name: &TypeName,
        change: impl Fn(&mut TypeRecord) -> Result<Option<C>, Error>,
    ) -> Result<Option<C>, Error> {
        let changed = self.catalog.amend(type_name, change).await?;
        if changed.is_some() {
            self.announce(type_name).await;
            self.look_again(type_name).await;
        }
        Ok(changed)
    }

    /// How far this node is with a type. Which revisions run is looked up only if it `counts_live`: every object of the
    /// node is visited for that.
    #[must_use]
    pub fn progress(&self, type_name: &TypeName, counts_live: bool) -> Progress {
        let name = type_name.as_str();
        let Some(record) = self.catalog.record(name) else { return Progress::default() };
        let coming = record.rollout.as_ref().map_or(record.current, |rollout| rollout.revision);
        let turned = self.turned().get(type_name).copied().unwrap_or_default();
        Progress {
            mark: record.mark,
            readiness: match self.catalog.readiness(name, coming) {
                None => Readiness::Unknown,
                Some(Ok(())) => Readiness::Ready,
                Some(Err(why)) => Readiness::Failed(why),
            },
            is_turned: turned.told == record.mark,
            is_tried: turned.tried == record.mark,
            taken: self.catalog.taken(name, coming),
            live: counts_live.then(|| self.live(type_name)),
        }
    }

    fn live(&self, type_name: &TypeName) -> Live {
        let mut live = Live::default();
        for position in self.cells_of(type_name).iter().filter_map(|cell| cell.position()) {
            *live.counts.entry(position.revision).or_default() += 1;
            live.may_run.extend([position.revision, position.own_revision]);
        }
        live
    }

    /// Tells the other nodes that a type has changed; what cannot be told is kept for
    /// [`announce_untold`](Self::announce_untold), and found by them later. Whether they were told.
    ///
    /// # Cancel safety
    /// They may or may not be told.
    pub async fn announce(&self, type_name: &TypeName) -> bool {
        let told = match self.session() {
            Some(registry) => registry.announce(type_name).await.map_err(|error| error.to_string()),
            None => Err("there is no session".to_owned()),
        };
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        match &told {
            Ok(()) => drop(untold.remove(type_name)),
            Err(why) => {
                if untold.insert(type_name.clone()) {
                    tracing::warn!(%type_name, "the other nodes are told of a change later: {why}");
                }
            }
        }
        told.is_ok()
    }

    /// Tells the other nodes what could not be told before; whether nothing is left.
    ///
    /// # Cancel safety
    /// What was not told yet is kept.
    pub async fn announce_untold(&self) -> bool {
        let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for type_name in &untold {
            if !self.announce(type_name).await {
                return false;
            }
        }
        true
    }

    /// Reads a type again. `false` where the store did not answer, so that it is worth another try.
    pub(super) async fn look_again(&self, type_name: &TypeName) -> bool {
        let Err(error) = self.catalog.look_again(type_name).await else { return true };
        tracing::warn!(%type_name, "the type could not be read again: {error}");
        error.code != Code::StoreUnavailable
    }

    pub(super) fn cells_of(&self, type_name: &TypeName) -> Vec<Arc<Cell>> {
        let Some(session) = self.present() else { return Vec::new() };
        session.around.table.select(|cell| cell.id().type_name() == type_name.as_str())
    }

    /// Tells the live objects of a type which revision they are to run, and has them try it.
    async fn turn(&self, type_name: &TypeName) {
        let present = || self.catalog.mark(type_name.as_str());
        let Some(mark) = present() else { return };
        let session = self.present();
        let cells = self.cells_of(type_name);
        for some in cells.chunks(WALK_LEN) {
            for cell in some {
                if let (Some(code), Some(session)) = (self.catalog.chosen(cell.id()), &session) {
                    want(cell, code, &session.around);
                }
            }
            yield_now().await;
        }
        self.turned().entry(type_name.clone()).or_default().told = mark;
        if let Some(session) = session {
            let mut trying = Vec::with_capacity(PROBE_COUNT);
            for some in cells.chunks(WALK_LEN) {
                if present() != Some(mark) {
                    // Another walk is to follow.
                    return;
                }
                for cell in some {
                    probe(cell, &session.around);
                    trying.push(Arc::clone(cell));
                    ended(&mut trying, PROBE_COUNT - 1, &session.around).await;
                }
                yield_now().await;
            }
            ended(&mut trying, 0, &session.around).await;
        }
        if present() == Some(mark) {
            self.turned().entry(type_name.clone()).or_default().tried = mark;
        }
    }
}

/// Waits until at most `left` of these objects still try a revision, and forgets the others.
async fn ended(trying: &mut Vec<Arc<Cell>>, left: usize, around: &Surroundings) {
    loop {
        trying.retain(|cell| cell.is_probing());
        if trying.len() <= left {
            return;
        }
        // An activation that ends meanwhile rings no bell.
        let _ = timeout(PROBE_LOOK, around.probe_ended.notified()).await;
    }
}

/// Tells live objects of every change of their types, until the node is gone.
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
                // A call that is under way may take long, and other types do not wait for it.
                tokio::spawn(async move { node.end_objects(&type_name).await });
            } else {
                node.turn(&type_name).await;
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
