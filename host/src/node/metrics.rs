//! The node's metrics as text: counters and histograms are always up to date, gauges are set here.

use std::time::Duration;

use highlander_core::memory::MemoryKind;
use highlander_system::clock;

use super::Node;

impl Node {
    /// Returns the number of objects that are active on this node.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.current_session().map_or(0, |session| session.ctx.table.len())
    }

    /// Renders the node's metrics in the Prometheus text format.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.active_objects.set(gauge(self.active_count()));
        let session = self.session();
        let claim_count = session.as_ref().map_or(0, |session| session.claim_count());
        self.metrics.claims.set(gauge(claim_count));
        let lease = session.map_or(Duration::ZERO, |session| {
            session.lease_until().since(clock::now()).min(Duration::from_hours(1))
        });
        self.metrics.lease_seconds.set(lease.as_secs_f64());
        self.metrics.ready.set(i64::from(self.readiness().is_ok()));
        self.metrics.memory_total.set(gauge(self.memory.max()));
        for kind in MemoryKind::ALL {
            let used = gauge(self.memory.used_by(kind));
            self.metrics.memory.with_label_values(&[kind.as_str()]).set(used);
        }
        for (kind, pump) in [("alarm", &self.alarms), ("delivery", &self.deliveries)] {
            self.metrics.background_waiting.with_label_values(&[kind]).set(gauge(pump.waiting()));
        }
        self.metrics.render()
    }
}
