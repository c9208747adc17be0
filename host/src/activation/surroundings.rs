//! What the tasks of a node share during one session: its ports, its table and caches, its counters.
//!
//! The node makes one of these for each session and wires it up; nothing here acts. What belonged to an ended session
//! can therefore never be mistaken for the present one's.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use super::gate::Gate;
use super::outward::Exit;
use super::protocol::{Now, Settings};
use super::residents::Residents;
use super::table::Table;
use super::timers::Timers;
use crate::catalog::Catalog;
use crate::clock::{BootTime, wall_ms};
use crate::events::Hub;
use crate::id::ObjectId;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::store::Store;
use crate::store::record::WriteId;

/// What the tasks of a node share during one session.
#[derive(Debug)]
pub struct Surroundings {
    /// Who owns what: this node's session.
    pub registry: Arc<dyn Registry>,
    /// Where records are.
    pub store: Arc<dyn Store>,
    /// Which code is current.
    pub catalog: Arc<Catalog>,
    /// The active objects.
    pub table: Table,
    /// The kept instances.
    pub residents: Residents,
    /// How fast activations begin.
    pub gate: Arc<Gate>,
    /// What machines are told.
    pub settings: Settings,
    /// Who watches which object.
    pub hub: Arc<Hub>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The way to other objects.
    pub exit: Arc<Exit>,
    /// Places for calls that wait for other objects: each holds an instance, of which there are only so many.
    pub calls_out: Semaphore,
    /// When alarms are due.
    pub timers: Arc<Timers>,
    /// Rung whenever an object has tried a revision without a call.
    pub probe_ended: Notify,
}

impl Surroundings {
    /// What a machine's next decision may depend on.
    pub(super) fn now(&self, id: &ObjectId) -> Now<'_> {
        Now {
            time: BootTime::now(),
            lease_until: self.registry.lease_until(),
            write_id: WriteId::random(),
            wall_ms: wall_ms(),
            is_watched: self.hub.is_followed(id),
            settings: &self.settings,
        }
    }
}
