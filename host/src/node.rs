//! All objects of this process: brings calls to them, tears down what is idle, and ends them all at shutdown.
//!
//! The node knows types, objects and their whereabouts; it does not know HTTP, and decides nothing within an object.

mod interim;
pub mod list;
pub mod placement;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::activation::offer::{deactivate, offer};
use crate::activation::protocol::Settings;
use crate::activation::residents::Residents;
use crate::activation::surroundings::Surroundings;
use crate::activation::table::Table;
use crate::activation::{Answer, Call, Reason};
use crate::catalog::{Catalog, Deployed};
use crate::clock::BootTime;
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::id::{NodeId, ObjectId};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::store::Store;
use crate::store::record::{Epoch, Version, codec};

/// What a node is told about its objects.
#[derive(Debug, Clone)]
pub struct Config {
    /// After how long without a call an object is torn down.
    pub idle_timeout: Duration,
    /// Calls that may wait for one object.
    pub mailbox_len: usize,
    /// Instances that are kept at most.
    pub resident_max: usize,
}

/// The adapters of a node's three ports.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Who owns what.
    pub registry: Arc<dyn Registry>,
    /// Where records are.
    pub store: Arc<dyn Store>,
    /// What runs components.
    pub engine: Arc<dyn Engine>,
}

/// Where an object's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Only in the store.
    Cold,
    /// Claimed, with its state in memory.
    Warm,
    /// Claimed, with an instance.
    Resident,
}

impl Tier {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Resident => "resident",
        }
    }
}

/// What is known of an object without activating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The node that owns it, if one does.
    pub owner: Option<NodeId>,
    /// Where its bytes are.
    pub tier: Tier,
    /// The committed version; 0 where it was never changed.
    pub version: Version,
    /// The epoch of that version.
    pub epoch: Epoch,
    /// The revision that runs, or that wrote the record; 0 where neither is.
    pub revision: u32,
    /// Whether it exists: it was changed, and is not deleted.
    pub exists: bool,
    /// How many calls wait.
    pub mailbox_len: usize,
}

/// A running node.
///
/// # Examples
/// ```no_run
/// # use std::sync::Arc;
/// # use highlander_host::node::{Config, Node, Ports};
/// # async fn example(ports: Ports, config: Config) {
/// let node = Node::start(ports, &config);
/// // … bring calls with `node.call` …
/// node.drain(std::time::Duration::from_secs(10)).await;
/// # }
/// ```
#[derive(Debug)]
pub struct Node {
    around: Arc<Surroundings>,
    is_draining: AtomicBool,
}

impl Node {
    /// Starts a node on its ports. The task that tears down idle objects ends with the last handle to the node.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(ports: Ports, config: &Config) -> Arc<Self> {
        let metrics = Arc::new(Metrics::new());
        let settings =
            Settings { node: ports.registry.node().clone(), mailbox_len: config.mailbox_len };
        let around = Arc::new(Surroundings {
            catalog: Arc::new(Catalog::new(Arc::clone(&ports.store), ports.engine)),
            registry: ports.registry,
            store: ports.store,
            table: Table::new(),
            residents: Residents::new(config.resident_max, Arc::clone(&metrics)),
            settings,
            metrics,
        });
        let node = Arc::new(Self { around, is_draining: AtomicBool::new(false) });
        tokio::spawn(sweep::run(Arc::downgrade(&node), config.idle_timeout));
        node
    }

    /// Brings one call to its object and waits for the answer.
    ///
    /// # Errors
    /// Every [`Code`] that says something of a call; `docs/errors.md` has them.
    ///
    /// # Cancel safety
    /// A call that was begun runs to its end; only the answer is lost.
    pub async fn call(&self, id: &ObjectId, call: Call) -> Answer {
        let arrived = BootTime::now();
        let answer = self.bring(id, call).await;
        let metrics = &self.around.metrics;
        match &answer {
            Ok(_) => metrics.calls_done.inc(),
            Err(error) => metrics.calls.with_label_values(&[error.code.as_str()]).inc(),
        }
        metrics.call_seconds.observe(BootTime::now().since(arrived).as_secs_f64());
        answer
    }

    async fn bring(&self, id: &ObjectId, call: Call) -> Answer {
        if self.is_draining() {
            let text = format!("{id} was not called: this node is shutting down");
            return Err(Box::new(Error::new(Code::Draining, text)));
        }
        // Found before anything is claimed, so that calls to types that do not exist cost nothing.
        self.around.catalog.current(id.type_name()).await.map_err(Box::new)?;
        let (caller, answer) = oneshot::channel();
        let mut pending = (call, caller);
        loop {
            let cell = self.around.table.enter(id);
            match offer(&cell, pending.0, pending.1, &self.around).await {
                None => break,
                Some(returned) => pending = returned,
            }
            // The entry is being taken out of the table by another thread.
            tokio::task::yield_now().await;
        }
        answer.await.unwrap_or_else(|_| {
            let text = format!("the task of {id} ended before it could answer");
            Err(Box::new(Error::new(Code::OutcomeUnknown, text)))
        })
    }

    /// What is known of an object, from memory or else from its record. Nothing is activated.
    ///
    /// # Errors
    /// Where registry or store do not answer, or the record is refused.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn whereabouts(&self, id: &ObjectId) -> Result<Whereabouts, Error> {
        self.around.catalog.current(id.type_name()).await?;
        let owner = self.around.registry.owner(id).await;
        let owner =
            owner.map_err(|error| Error::new(Code::RegistryUnavailable, error.to_string()))?;
        if let Some(live) = self.around.table.get(id).and_then(|cell| cell.position()) {
            let is_resident = self.around.residents.contains(id);
            return Ok(Whereabouts {
                owner,
                tier: if is_resident { Tier::Resident } else { Tier::Warm },
                version: live.version,
                epoch: live.epoch,
                revision: live.revision,
                exists: live.exists,
                mailbox_len: live.mailbox_len,
            });
        }
        let blob = self.around.store.get(&id.blob_key()).await;
        let blob = blob.map_err(|error| Error::new(Code::StoreUnavailable, error.to_string()))?;
        let record = blob.map(|blob| codec::decode(id, &blob.bytes)).transpose();
        let record = record.map_err(|error| {
            Error::new(Code::RecordDamaged, format!("the record of {id} was refused: {error}"))
        })?;
        Ok(Whereabouts {
            owner,
            tier: Tier::Cold,
            version: record.as_ref().map_or(0, |record| record.version),
            epoch: record.as_ref().map_or(0, |record| record.epoch),
            revision: record.as_ref().map_or(0, |record| record.revision),
            exists: record.is_some_and(|record| record.state.is_some()),
            mailbox_len: 0,
        })
    }

    /// Makes an object a file again, after what is under way. `false` where it was not active.
    ///
    /// # Cancel safety
    /// The object ends all the same.
    pub async fn deactivate(&self, id: &ObjectId) -> bool {
        let Some(cell) = self.around.table.get(id) else { return false };
        let ended_before = cell.ended();
        self.until(|| {
            let is_over = cell.ended() != ended_before;
            if !is_over {
                deactivate(&cell, Reason::Requested, &self.around);
            }
            is_over
        })
        .await;
        true
    }

    /// Deploys a component, and ends the live objects of its type, so that each goes on with the new code.
    ///
    /// # Errors
    /// As [`Catalog::deploy`].
    ///
    /// # Cancel safety
    /// The component may or may not have become current.
    pub async fn deploy(&self, wasm: Bytes, force: bool) -> Result<Deployed, Error> {
        let deployed = self.around.catalog.deploy(wasm, force).await?;
        if deployed.is_new {
            tracing::info!(
                type_name = %deployed.type_name, revision = deployed.revision, "deployed"
            );
            self.replace(&deployed).await;
        }
        Ok(deployed)
    }

    /// Ends every activation that runs an older revision. Calls that wait meanwhile meet the new one.
    async fn replace(&self, deployed: &Deployed) {
        let is_older = |cell: &Arc<crate::activation::cell::Cell>| {
            cell.id().type_name() == deployed.type_name.as_str()
                && cell.position().is_some_and(|live| live.revision != deployed.revision)
        };
        self.until(|| {
            let older = self.around.table.select(is_older);
            older.iter().for_each(|cell| deactivate(cell, Reason::Replaced, &self.around));
            older.is_empty()
        })
        .await;
    }

    /// Refuses new calls, ends what is under way, commits it, and gives every claim back, within `patience`.
    ///
    /// Returns how many objects were still active when the time was over: their claims end with the session, and
    /// nothing that was answered is lost.
    ///
    /// # Cancel safety
    /// The node goes on refusing calls.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.is_draining.store(true, Ordering::SeqCst);
        let drained = self.until(|| {
            for cell in self.around.table.select(|_| true) {
                deactivate(&cell, Reason::Draining, &self.around);
            }
            self.around.table.is_empty()
        });
        // Past the patience, what is left is reported.
        let _ = tokio::time::timeout(patience, drained).await;
        self.around.table.len()
    }

    /// Whether the node is shutting down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// The node's name.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        self.around.registry.node()
    }

    /// The types and their revisions.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.around.catalog
    }

    /// How many objects are active on this node.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.around.table.len()
    }

    /// What the node counts, as Prometheus reads it.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        let active = i64::try_from(self.around.table.len()).unwrap_or(i64::MAX);
        self.around.metrics.active_objects.set(active);
        self.around.metrics.render()
    }

    /// Looks at `condition` again and again, at growing pauses, until it holds.
    async fn until(&self, mut condition: impl FnMut() -> bool) {
        let mut pause = Duration::from_millis(1);
        while !condition() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}
