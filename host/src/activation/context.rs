//! Ports, table, caches and metrics that the tasks of a node share during one session.
//!
//! The node builds a new value for each session, so state of an ended session can never be mistaken for that of the
//! current one.

use std::sync::Arc;

use highlander_core::activation::protocol::{Now, Settings};
use highlander_core::id::ObjectId;
use highlander_core::registry::Registry;
use highlander_core::store::Store;
use highlander_core::store::record::WriteId;
use highlander_system::clock::{self, wall_ms};
use tokio::sync::{Notify, Semaphore};

use crate::activation::alarm_timers::Timers;
use crate::activation::instance_cache::InstanceCache;
use crate::activation::rate_limit::ActivationLimiter;
use crate::activation::route::OutboundPort;
use crate::activation::state_memory::StateMemory;
use crate::activation::table::Table;
use crate::catalog::Catalog;
use crate::events::Hub;
use crate::lane::Lane;
use crate::metrics::Metrics;
use crate::pump::Pump;

/// Context that the tasks of a node share during one session.
#[derive(Debug)]
pub struct SessionContext {
    /// Registry session of this node.
    pub registry: Arc<dyn Registry>,
    /// Store that holds the records.
    pub store: Arc<dyn Store>,
    /// Object types and their current revisions.
    pub catalog: Arc<Catalog>,
    /// Active objects.
    pub table: Table,
    /// Cache of idle instances.
    pub instances: InstanceCache,
    /// Memory of the objects' states.
    pub states: StateMemory,
    /// Rate limiter for new activations.
    pub activation_limiter: Arc<ActivationLimiter>,
    /// Threads that run the calls which do not run in their caller's task.
    pub lane: Arc<Lane>,
    /// Settings passed to the machines.
    pub settings: Settings,
    /// Hub that publishes events to subscribers.
    pub hub: Arc<Hub>,
    /// Metrics of the node.
    pub metrics: Arc<Metrics>,
    /// Port for calls to other objects.
    pub outbound: Arc<OutboundPort>,
    /// Permits for calls that wait for other objects. Each such call holds an instance, and the number of instances
    /// is limited.
    pub calls_out: Semaphore,
    /// Starts the deliveries of messages.
    pub deliveries: Arc<Pump>,
    /// Due times of alarms.
    pub alarm_timers: Arc<Timers>,
    /// Notified when an object finishes a probe of a revision.
    pub probe_ended: Notify,
}

impl SessionContext {
    /// Returns the inputs for a machine's next decision.
    pub(super) fn now(&self, id: &ObjectId) -> Now<'_> {
        Now {
            time: clock::now(),
            lease_until: self.registry.lease_until(),
            write_id: WriteId(rand::random()),
            wall_ms: wall_ms(),
            is_watched: self.hub.is_followed(id),
            settings: &self.settings,
        }
    }
}
