//! One level of the shares: start-time fair queueing (SFQ) of flows by weight, for several servers.
//!
//! Each flow has a start tag, and the flow with the least one is next. Service of a flow moves its tag on by the
//! service divided by its weight. A flow that becomes busy begins at the present virtual time, so it saved nothing up
//! while it was idle. Tags that lie in the future are kept until they are reached: they are a debt.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// Service divided by a weight.
type Virtual = u128;

/// Scale of virtual time, so that large weights lose little by the division.
const SCALE: u128 = 1000;

/// Order among equal tags: whether the flow had debt, and its arrival.
type Order = (bool, u64);

/// Flows that share one server, or several.
#[derive(Debug)]
pub(super) struct Level<K, C> {
    /// Start tag of the flow that was served last.
    now: Virtual,
    flows: HashMap<K, Flow<C>>,
    /// Flows with something to serve, by start tag. Among equals, those without debt go first, in order of arrival.
    queued: BTreeSet<(Virtual, Order, K)>,
    /// Flows that are kept only for their debt, by the time of its end.
    indebted: BTreeSet<(Virtual, K)>,
    arrivals: u64,
    in_service: usize,
}

#[derive(Debug)]
struct Flow<C> {
    weight: u32,
    start: Virtual,
    finish: Virtual,
    order: Order,
    is_queued: bool,
    in_service: usize,
    content: C,
}

impl<K: Clone + Ord + Hash, C> Level<K, C> {
    pub(super) fn new() -> Self {
        Self {
            now: 0,
            flows: HashMap::new(),
            queued: BTreeSet::new(),
            indebted: BTreeSet::new(),
            arrivals: 0,
            in_service: 0,
        }
    }

    /// Whether no flow has anything to serve.
    pub(super) fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Returns the number of known flows.
    #[cfg(test)]
    pub(super) fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// Returns the content of a flow.
    pub(super) fn content(&mut self, key: &K) -> Option<&mut C> {
        self.flows.get_mut(key).map(|flow| &mut flow.content)
    }

    /// Notes that a flow has something to serve, and returns its content.
    pub(super) fn enqueue(&mut self, key: &K, weight: u32, content: impl FnOnce() -> C) -> &mut C {
        let now = self.now;
        let flow = self.flows.entry(key.clone()).or_insert_with(|| Flow {
            weight: weight.max(1),
            start: now,
            finish: now,
            order: (false, 0),
            is_queued: false,
            in_service: 0,
            content: content(),
        });
        if !flow.is_queued {
            self.indebted.remove(&(flow.finish, key.clone()));
            self.arrivals += 1;
            flow.start = flow.finish.max(now);
            (flow.order, flow.is_queued) = ((flow.finish > now, self.arrivals), true);
            self.queued.insert((flow.start, flow.order, key.clone()));
        }
        &mut flow.content
    }

    /// Returns the flow that is next.
    pub(super) fn first(&self) -> Option<K> {
        self.queued.first().map(|(_, _, key)| key.clone())
    }

    /// Begins the service of a queued flow, which is charged as estimated for now.
    pub(super) fn serve(&mut self, key: &K, estimate: Duration, has_more: bool) {
        let Some(flow) = self.flows.get_mut(key) else { return };
        self.queued.remove(&(flow.start, flow.order, key.clone()));
        self.now = self.now.max(flow.start);
        flow.finish = flow.start + share(estimate, flow.weight);
        (flow.is_queued, flow.in_service) = (has_more, flow.in_service + 1);
        self.in_service += 1;
        if has_more {
            self.arrivals += 1;
            (flow.start, flow.order) = (flow.finish, (true, self.arrivals));
            self.queued.insert((flow.start, flow.order, key.clone()));
        }
        self.forget();
    }

    /// Ends a service: replaces the estimate by the time that was used.
    pub(super) fn settle(&mut self, key: &K, estimate: Duration, used: Duration) {
        let Some(flow) = self.flows.get_mut(key) else { return };
        let corrected = |tag: Virtual| {
            (tag + share(used, flow.weight)).saturating_sub(share(estimate, flow.weight))
        };
        // A tag that lies later than the end of the last service does not depend on it.
        let (is_behind, finish) = (flow.start == flow.finish, corrected(flow.finish));
        flow.finish = finish;
        flow.in_service = flow.in_service.saturating_sub(1);
        self.in_service = self.in_service.saturating_sub(1);
        if flow.is_queued && is_behind {
            self.queued.remove(&(flow.start, flow.order, key.clone()));
            flow.start = finish;
            self.queued.insert((flow.start, flow.order, key.clone()));
        }
    }

    /// Forgets a flow once it is idle and without debt. If all are idle, no debt is left.
    pub(super) fn tidy(&mut self, key: &K) {
        let Some(flow) = self.flows.get(key) else { return };
        if !flow.is_queued && flow.in_service == 0 {
            self.indebted.insert((flow.finish, key.clone()));
            self.forget();
        }
    }

    fn forget(&mut self) {
        let is_idle = self.queued.is_empty() && self.in_service == 0;
        while let Some((finish, _)) = self.indebted.first()
            && (is_idle || *finish <= self.now)
            && let Some((_, key)) = self.indebted.pop_first()
        {
            self.flows.remove(&key);
        }
    }
}

fn share(service: Duration, weight: u32) -> Virtual {
    service.as_nanos() * SCALE / u128::from(weight)
}
