//! State shared by the parts of one session: connection, lease and claims, and the order in which the session
//! ends.
//!
//! A session ends once: first the lease, then the claims, the connection, and the last event. In this order, the
//! session never promises more than it holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use highlander_core::clock::BootTime;
use highlander_core::id::NodeId;
use highlander_core::registry::agreement::ClusterId;
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::members::Members;
use highlander_core::registry::{Error, SessionEvent};
use highlander_system::clock;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::claims::table::Table;
use super::client::SessionClient;
use super::description::Description;
use super::error::Failure;
use super::lease::Lease;
use super::session_events::SessionEvents;

/// Interval of the periodic checks of a session: of its claims, and of its cluster's identity.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(4);

/// One session.
pub(super) struct Shared {
    pub(super) node: NodeId,
    pub(super) granularity: Granularity,
    /// Cluster of the registry and the store, if there is a store.
    pub(super) cluster: Option<ClusterId>,
    pub(super) link: SessionClient,
    pub(super) claims: Arc<Table>,
    pub(super) notices: SessionEvents,
    pub(super) members: watch::Sender<Members>,
    pub(super) description: Description,
    /// Requests an immediate heartbeat.
    pub(super) beat: Notify,
    /// Requests an immediate check of the claims.
    pub(super) look: Notify,
    lease: Mutex<Lease>,
    /// End of the lease in nanoseconds, readable without a lock because every reply checks it.
    lease_until: AtomicU64,
    /// Time at which the newest answered heartbeat was sent.
    committed: watch::Sender<BootTime>,
}

/// Initial values of a session.
pub(super) struct Beginning {
    pub(super) node: NodeId,
    pub(super) granularity: Granularity,
    pub(super) cluster: Option<ClusterId>,
    pub(super) places_max: usize,
    pub(super) description: Description,
    /// A time before the session was requested.
    pub(super) begun: BootTime,
}

impl Shared {
    pub(super) fn new(link: SessionClient, beginning: Beginning) -> Self {
        let Beginning { node, granularity, cluster, places_max, description, begun } = beginning;
        let lease = Lease::new(link.timeout(), begun);
        Self {
            node,
            granularity,
            cluster,
            claims: Arc::new(Table::new(places_max)),
            notices: SessionEvents::default(),
            members: watch::Sender::default(),
            description,
            beat: Notify::new(),
            look: Notify::new(),
            lease_until: AtomicU64::new(nanoseconds(lease.until())),
            lease: Mutex::new(lease),
            committed: watch::Sender::new(begun),
            link,
        }
    }

    pub(super) fn lease_until(&self) -> BootTime {
        BootTime::from_boot(Duration::from_nanos(self.lease_until.load(Ordering::SeqCst)))
    }

    /// Fails unless the claims can be trusted now; no work may start otherwise.
    pub(super) fn check_lease(&self) -> Result<(), Error> {
        if self.claims.is_closed() {
            return Err(Error::SessionOver);
        }
        if self.lease_until() <= clock::now() {
            return Err(Error::Unavailable("the lease of this node is over".to_owned()));
        }
        Ok(())
    }

    /// Records the answer to a write of this session that was sent at `sent`.
    pub(super) fn acknowledge(&self, sent: BootTime) {
        let needs_look = self.change_lease(|lease| lease.acknowledge(sent, clock::now()));
        self.committed.send_if_modified(|newest| {
            let is_newer = sent > *newest;
            *newest = (*newest).max(sent);
            is_newer
        });
        if needs_look {
            self.look.notify_one();
        }
    }

    /// Waits for the answer to a write that was sent after `moment`. By then, every request that this session sent
    /// before `moment` has taken effect or never will.
    pub(super) async fn written_since(&self, moment: BootTime) -> Result<(), Failure> {
        self.beat.notify_one();
        tokio::select! {
            () = self.link.over() => Err(Failure::Over),
            // The wait cannot fail, because `self` owns the sender.
            _ = async { self.committed.subscribe().wait_for(|sent| *sent > moment).await.map(drop) } => Ok(()),
        }
    }

    /// Returns whether the lease is withheld until the claims are checked.
    pub(super) fn is_look_due(&self) -> bool {
        self.change_lease(|lease| lease.has_lapsed())
    }

    /// Records the result of a check of the claims: the lost claims, and whether the lease required the check.
    pub(super) fn looked(&self, lost: Vec<ClaimKey>, was_asked: bool) {
        let has_lost = !lost.is_empty();
        if has_lost {
            tracing::warn!(node = %self.node, count = lost.len(), "another client removed claims of this node");
            self.notices.push(SessionEvent::ClaimsLost(lost));
        }
        if !was_asked {
            return;
        }
        self.change_lease(Lease::check);
        if has_lost {
            // Activations under lost claims must end before anything is answered again. The lease therefore
            // resumes only when the consumer takes this event.
            self.notices.push(SessionEvent::LeaseResumed);
        } else if self.resume_lease() {
            self.notices.push(SessionEvent::LeaseResumed);
        }
    }

    /// Makes the lease valid again if its conditions are met.
    pub(super) fn resume_lease(&self) -> bool {
        self.change_lease(|lease| lease.resume(clock::now()))
    }

    /// Ends the session, whatever is in progress. Only the first reason is logged.
    pub(super) fn end(&self, why: &str) {
        if !self.change_lease(Lease::end) {
            return;
        }
        tracing::info!(node = %self.node, "the session is over: {why}");
        self.claims.close();
        self.link.close();
        self.notices.close();
    }

    fn change_lease<T>(&self, change: impl FnOnce(&mut Lease) -> T) -> T {
        let mut lease = self.lease.lock();
        let outcome = change(&mut lease);
        self.lease_until.store(nanoseconds(lease.until()), Ordering::SeqCst);
        outcome
    }
}

fn nanoseconds(moment: BootTime) -> u64 {
    let since_boot = moment.since(BootTime::from_boot(Duration::ZERO));
    u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX)
}
