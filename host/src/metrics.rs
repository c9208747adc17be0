//! What a node counts, in Prometheus' terms. Names and meanings are in `docs/operations.md`.
//!
//! Every counter is created once, so that counting on the hot path is one atomic addition.
//! Nothing here is read by anything that decides.

pub mod compilations;

use prometheus::{
    Encoder as _, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder, core::Collector,
};

/// Seconds, from 50 µs to 10 s.
const LATENCY_BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];
const COUNT_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// All counters of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Answered calls, by `outcome`: `done`, or the code of the error.
    pub calls: IntCounterVec,
    /// Calls that were done: the hottest of `calls`, without a lookup.
    pub calls_done: IntCounter,
    /// Seconds from the arrival of a call at the node to its answer.
    pub call_seconds: Histogram,
    /// Writes that the store confirmed.
    pub commits: IntCounter,
    /// Answers that one commit released.
    pub commit_answers: Histogram,
    /// Seconds from sending a write to its confirmation, with all attempts.
    pub commit_seconds: Histogram,
    /// Writes sent again because the store left them undecided.
    pub commit_retries: IntCounter,
    /// Activations begun.
    pub activations: IntCounter,
    /// Seconds from claim to the first call.
    pub activation_seconds: Histogram,
    /// Activations ended, by `reason`.
    pub deactivations: IntCounterVec,
    /// Instances made.
    pub instances_made: IntCounter,
    /// Instances dropped to make room for others.
    pub instances_evicted: IntCounter,
    /// Instances ended by a trap or a limit, by `fault`.
    pub faults: IntCounterVec,
    /// Objects that were quarantined.
    pub quarantines: IntCounter,
    /// Active objects: warm and resident.
    pub active_objects: IntGauge,
    /// Objects with an instance.
    pub resident_objects: IntGauge,
    /// Calls waiting in the mailbox that a new call found.
    pub mailbox_length: Histogram,
    /// Records that were refused.
    pub damaged_records: IntCounter,
    /// Sessions begun with the registry.
    pub sessions: IntCounter,
    /// Claims that the present session holds.
    pub claims: IntGauge,
    /// Seconds until the lease ends, unless it is renewed; at most an hour.
    pub lease_seconds: Gauge,
    /// 1 where the node takes calls for any object.
    pub ready: IntGauge,
    /// Attempts to have a call answered by another node, by `outcome`: `done`, the code of the error, `not-sent`,
    /// `interrupted`, or `no-place`.
    pub forwards: IntCounterVec,
    /// Attempts that were answered "done": the hottest of `forwards`, without a lookup.
    pub forwards_done: IntCounter,
    /// Seconds from sending a call to another node to its answer.
    pub forward_seconds: Histogram,
    /// Calls for whose object the owner was remembered.
    pub owner_cache_hits: IntCounter,
    /// Calls for whose object it was not.
    pub owner_cache_misses: IntCounter,
    /// Calls that objects made to others.
    pub calls_out: IntCounter,
    /// Attempts to deliver a message, by `outcome`: `done`, `refused` or `not-yet`.
    pub deliveries: IntCounterVec,
    /// Alarms that were given, well or not.
    pub alarms: IntCounter,
    /// Pauses of calls that no node could take.
    pub route_pauses: IntCounter,
    /// Those who watch an object by this node, clients and other nodes.
    pub watchers: IntGauge,
    /// Events that were given to one of them.
    pub events_sent: IntCounter,
    /// Those who were sent away because they read too slowly.
    pub slow_watchers: IntCounter,
}

impl Metrics {
    /// Counters at zero.
    ///
    /// # Panics
    /// Never: the names are fixed and valid.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let calls = counters(&registry, "calls_total", "Answered calls.", "outcome");
        let forwards = counters(&registry, "forwards_total", "Calls sent to others.", "outcome");
        Self {
            calls_done: calls.with_label_values(&["done"]),
            calls,
            call_seconds: seconds(&registry, "call_seconds", "From arrival to answer."),
            calls_out: counter(&registry, "calls_out_total", "Calls that objects made to others."),
            deliveries: counters(&registry, "deliveries_total", "Messages brought.", "outcome"),
            alarms: counter(&registry, "alarms_total", "Alarms given."),
            commits: counter(&registry, "commits_total", "Writes the store confirmed."),
            commit_answers: counts(&registry, "commit_answers", "Answers released by a commit."),
            commit_seconds: seconds(&registry, "commit_seconds", "From first sending to durable."),
            commit_retries: counter(&registry, "commit_retries_total", "Writes sent again."),
            activations: counter(&registry, "activations_total", "Activations begun."),
            activation_seconds: seconds(&registry, "activation_seconds", "From claim to live."),
            deactivations: counters(&registry, "deactivations_total", "Ended.", "reason"),
            instances_made: counter(&registry, "instances_made_total", "Instances made."),
            instances_evicted: counter(&registry, "instances_evicted_total", "Evicted instances."),
            quarantines: counter(
                &registry,
                "quarantines_total",
                "Objects that are not run for a while, because their code failed again and again.",
            ),
            faults: counters(&registry, "faults_total", "Traps and broken limits.", "fault"),
            active_objects: gauge(&registry, "active_objects", "Warm and resident objects."),
            resident_objects: gauge(&registry, "resident_objects", "Objects with an instance."),
            mailbox_length: counts(&registry, "mailbox_length", "Calls found waiting."),
            damaged_records: counter(&registry, "damaged_records_total", "Records refused."),
            sessions: counter(&registry, "sessions_total", "Sessions begun."),
            claims: gauge(&registry, "claims", "Claims of the present session."),
            lease_seconds: register(
                &registry,
                Gauge::with_opts(options("lease_seconds", "Seconds until the lease ends.")),
            ),
            ready: gauge(&registry, "ready", "Whether the node takes calls for any object."),
            forwards_done: forwards.with_label_values(&["done"]),
            forwards,
            forward_seconds: seconds(&registry, "forward_seconds", "From sending to answer."),
            owner_cache_hits: counter(&registry, "owner_cache_hits_total", "Owners remembered."),
            owner_cache_misses: counter(&registry, "owner_cache_misses_total", "Not remembered."),
            route_pauses: counter(&registry, "route_pauses_total", "Calls no node could take."),
            watchers: gauge(&registry, "watchers", "Who watches an object by this node."),
            events_sent: counter(&registry, "events_sent_total", "Events given to watchers."),
            slow_watchers: counter(&registry, "slow_watchers_total", "Watchers sent away."),
            registry,
        }
    }

    /// Shows what the engine counts together with what the node counts. To be called once.
    ///
    /// # Panics
    /// Where it is called twice.
    pub fn add_compilations(&self, compilations: &compilations::Compilations) {
        for collector in compilations.collectors() {
            self.registry.register(collector).expect("each metric is registered once");
        }
    }

    /// All counters as Prometheus reads them.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        // Encoding fails only where writing does, and writing to memory does not.
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
