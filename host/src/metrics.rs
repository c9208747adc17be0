//! Prometheus metrics of a node. `docs/operations.md` describes them.
//!
//! Each counter is created once, so that counting on the hot path is one atomic addition. Metrics never influence
//! decisions.

use prometheus::{
    Counter, CounterVec, Encoder as _, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

/// Bucket bounds in seconds, from 50 µs to 10 s.
const LATENCY_BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];
const COUNT_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Metrics of the processor time of guests.
#[derive(Debug)]
pub struct GuestMetrics {
    /// Seconds of processor time of calls that ran in their caller's task.
    pub seconds_inline: Counter,
    /// Seconds of processor time of calls that ran on guest threads.
    pub seconds_lane: Counter,
    /// Calls that wait for a guest thread.
    pub waiting: IntGauge,
    /// Seconds for which a call waits before each of its slices on a guest thread.
    pub wait_seconds: Histogram,
    /// Calls that moved to a guest thread because they took longer than expected.
    pub overruns: IntCounter,
}

impl GuestMetrics {
    fn new(registry: &Registry) -> Self {
        let options = options("guest_seconds_total", "Processor time of guests.");
        let seconds_by_place = register(registry, CounterVec::new(options, &["place"]));
        Self {
            seconds_inline: seconds_by_place.with_label_values(&["inline"]),
            seconds_lane: seconds_by_place.with_label_values(&["lane"]),
            waiting: gauge(registry, "lane_waiting", "Calls waiting for a guest thread."),
            wait_seconds: seconds(registry, "lane_wait_seconds", "Waits before a slice."),
            overruns: counter(registry, "overruns_total", "Calls that took too long inline."),
        }
    }
}

/// All metrics of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Answered calls, by `outcome`: `done`, or the error code.
    pub calls: IntCounterVec,
    /// Calls with outcome `done`: the most frequent child of `calls`, without a lookup.
    pub calls_done: IntCounter,
    /// Seconds from the arrival of a call at the node to its answer.
    pub call_seconds: Histogram,
    /// Writes that the store confirmed.
    pub commits: IntCounter,
    /// Answers released by one commit.
    pub commit_answers: Histogram,
    /// Seconds from sending a write to its confirmation, including all attempts.
    pub commit_seconds: Histogram,
    /// Writes sent again because their outcome was unknown.
    pub commit_retries: IntCounter,
    /// Activations started.
    pub activations: IntCounter,
    /// Seconds from the claim to the first call.
    pub activation_seconds: Histogram,
    /// Ended activations, by `reason`.
    pub deactivations: IntCounterVec,
    /// Created instances.
    pub instances_made: IntCounter,
    /// Instances evicted because the number of instances was reached.
    pub evicted_for_count: IntCounter,
    /// Instances evicted because memory was scarce.
    pub evicted_for_memory: IntCounter,
    /// Instances dropped because they had grown too far.
    pub evicted_for_growth: IntCounter,
    /// Bytes of memory in use, by `kind`.
    pub memory: IntGaugeVec,
    /// Bytes of memory that may be in use.
    pub memory_total: IntGauge,
    /// Instances ended by a trap or a limit, by `fault`.
    pub faults: IntCounterVec,
    /// Quarantined objects.
    pub quarantines: IntCounter,
    /// Active objects: warm and resident.
    pub active_objects: IntGauge,
    /// Objects with an instance.
    pub resident_objects: IntGauge,
    /// Calls already waiting in the mailbox when a new call arrives.
    pub mailbox_length: Histogram,
    /// Damaged records that were refused.
    pub damaged_records: IntCounter,
    /// Sessions begun with the registry.
    pub sessions: IntCounter,
    /// Claims of the current session.
    pub claims: IntGauge,
    /// Seconds until the lease ends unless it is renewed; at most an hour.
    pub lease_seconds: Gauge,
    /// 1 while the node accepts calls for any object.
    pub ready: IntGauge,
    /// Attempts to forward a call to another node, by `outcome`: `done`, the error code, `not-sent`,
    /// `interrupted`, or `no-place`.
    pub forwards: IntCounterVec,
    /// Forwards with outcome `done`: the most frequent child of `forwards`, without a lookup.
    pub forwards_done: IntCounter,
    /// Seconds from forwarding a call to its answer.
    pub forward_seconds: Histogram,
    /// Calls whose owner was in the owner cache.
    pub owner_cache_hits: IntCounter,
    /// Calls whose owner was not in the owner cache.
    pub owner_cache_misses: IntCounter,
    /// Calls that objects made to other objects.
    pub calls_out: IntCounter,
    /// Attempts to deliver a message, by `outcome`: `done`, `refused` or `not-yet`.
    pub deliveries: IntCounterVec,
    /// Alarms fired, whether their handler succeeded or not.
    pub alarms: IntCounter,
    /// Seconds from when an alarm was due until its object was woken.
    pub alarm_late_seconds: Histogram,
    /// Background work that waits for its turn, by `kind`.
    pub background_waiting: IntGaugeVec,
    /// Pauses of calls that no node could accept at the moment.
    pub route_pauses: IntCounter,
    /// Clients and other nodes that watch an object through this node.
    pub watchers: IntGauge,
    /// Events sent to watchers.
    pub events_sent: IntCounter,
    /// Watchers disconnected because they read too slowly.
    pub slow_watchers: IntCounter,
    /// Documents about types that were built.
    pub documents_built: IntCounter,
    /// Processor time of guests.
    pub guests: GuestMetrics,
}

impl Metrics {
    /// Creates all metrics with the value zero.
    ///
    /// # Panics
    /// Never: the names are fixed and valid.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let calls = counters(&registry, "calls_total", "Answered calls.", "outcome");
        let forwards = counters(&registry, "forwards_total", "Forwarded calls.", "outcome");
        let evicted = counters(&registry, "instances_evicted_total", "Evicted instances.", "why");
        Self {
            calls_done: calls.with_label_values(&["done"]),
            calls,
            call_seconds: seconds(&registry, "call_seconds", "From arrival to answer."),
            calls_out: counter(&registry, "calls_out_total", "Calls from object to object."),
            deliveries: counters(&registry, "deliveries_total", "Delivery attempts.", "outcome"),
            alarms: counter(&registry, "alarms_total", "Alarms fired."),
            alarm_late_seconds: seconds(&registry, "alarm_late_seconds", "From due to woken."),
            background_waiting: gauges(&registry, "background_waiting", "Waiting work.", "kind"),
            commits: counter(&registry, "commits_total", "Writes the store confirmed."),
            commit_answers: counts(&registry, "commit_answers", "Answers per commit."),
            commit_seconds: seconds(&registry, "commit_seconds", "From sending to commit."),
            commit_retries: counter(&registry, "commit_retries_total", "Writes sent again."),
            activations: counter(&registry, "activations_total", "Activations started."),
            activation_seconds: seconds(&registry, "activation_seconds", "From claim to call."),
            deactivations: counters(&registry, "deactivations_total", "Deactivations.", "reason"),
            instances_made: counter(&registry, "instances_made_total", "Instances created."),
            evicted_for_count: evicted.with_label_values(&["count"]),
            evicted_for_memory: evicted.with_label_values(&["memory"]),
            evicted_for_growth: evicted.with_label_values(&["growth"]),
            memory: gauges(&registry, "memory_bytes", "Bytes in use.", "kind"),
            memory_total: gauge(&registry, "memory_total_bytes", "Bytes that may be in use."),
            quarantines: counter(
                &registry,
                "quarantines_total",
                "Objects quarantined because their code failed repeatedly.",
            ),
            faults: counters(&registry, "faults_total", "Traps and exceeded limits.", "fault"),
            active_objects: gauge(&registry, "active_objects", "Warm and resident objects."),
            resident_objects: gauge(&registry, "resident_objects", "Objects with an instance."),
            mailbox_length: counts(&registry, "mailbox_length", "Calls waiting on arrival."),
            damaged_records: counter(&registry, "damaged_records_total", "Damaged records."),
            sessions: counter(&registry, "sessions_total", "Sessions begun."),
            claims: gauge(&registry, "claims", "Claims of the current session."),
            lease_seconds: register(
                &registry,
                Gauge::with_opts(options("lease_seconds", "Seconds until the lease ends.")),
            ),
            ready: gauge(&registry, "ready", "1 while calls for any object are accepted."),
            forwards_done: forwards.with_label_values(&["done"]),
            forwards,
            forward_seconds: seconds(&registry, "forward_seconds", "From sending to answer."),
            owner_cache_hits: counter(&registry, "owner_cache_hits_total", "Owner was cached."),
            owner_cache_misses: counter(&registry, "owner_cache_misses_total", "Not cached."),
            route_pauses: counter(&registry, "route_pauses_total", "Waits for an available node."),
            watchers: gauge(&registry, "watchers", "Clients and nodes that watch an object."),
            events_sent: counter(&registry, "events_sent_total", "Events sent to watchers."),
            slow_watchers: counter(
                &registry,
                "slow_watchers_total",
                "Watchers disconnected because they read too slowly.",
            ),
            documents_built: counter(&registry, "documents_built_total", "Documents built."),
            guests: GuestMetrics::new(&registry),
            registry,
        }
    }

    /// Adds metrics that exist before the node, such as the engine's.
    ///
    /// # Panics
    /// If a metric is added twice.
    pub fn add(&self, collectors: Vec<Box<dyn Collector>>) {
        for collector in collectors {
            self.registry.register(collector).expect("each metric is registered once");
        }
    }

    /// Returns all metrics in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        // Encoding fails only if writing fails, and writing to memory does not.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("highlander")
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> C {
    let collector = collector.expect("the names of metrics are valid");
    registry.register(Box::new(collector.clone())).expect("each metric is registered once");
    collector
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    register(registry, IntCounter::with_opts(options(name, help)))
}

fn counters(registry: &Registry, name: &str, help: &str, label: &str) -> IntCounterVec {
    register(registry, IntCounterVec::new(options(name, help), &[label]))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    register(registry, IntGauge::with_opts(options(name, help)))
}

fn gauges(registry: &Registry, name: &str, help: &str, label: &str) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(options(name, help), &[label]))
}

fn seconds(registry: &Registry, name: &str, help: &str) -> Histogram {
    histogram(registry, name, help, LATENCY_BUCKETS)
}

fn counts(registry: &Registry, name: &str, help: &str) -> Histogram {
    histogram(registry, name, help, COUNT_BUCKETS)
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::from(options(name, help)).buckets(buckets.to_vec());
    register(registry, Histogram::with_opts(options))
}
