//! Settings of a node, with their defaults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use highlander_core::caller::call_policy::TypeSet;
use highlander_core::id::TypeName;

use super::quotas::Rates;

/// Settings of a node.
#[derive(Debug, Clone)]
pub struct Config {
    /// Time without a call after which an object is unloaded.
    pub idle_timeout: Duration,
    /// Maximum number of calls that wait for one object.
    pub mailbox_len: usize,
    /// Number of consecutive failures after which an object is quarantined.
    pub fault_max: u32,
    /// Whether callers see the message of a trap: for a developer's node, whose callers wrote the code.
    pub shows_traps: bool,
    /// Maximum number of cached instances.
    pub resident_max: usize,
    /// Maximum number of activations per second; unlimited if neither the registry nor the store needs a limit.
    pub activation_rate: Option<u32>,
    /// Time without any answer from the store after which the node gives up its objects.
    pub store_unavailable_timeout: Duration,
    /// Types that the objects of a type may call. Objects of other types have no such limit.
    pub may_call: BTreeMap<TypeName, Arc<TypeSet>>,
    /// Number of threads that run guests; one for each core if it is not set.
    pub guest_threads: Option<usize>,
    /// Weights of the types in the shares of processor time. Other types have the weight 100.
    pub weights: BTreeMap<TypeName, u32>,
    /// Requests per second that the objects of a type may receive on this node. Other requests have no limit.
    pub rates: Rates,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_mins(5),
            mailbox_len: 128,
            fault_max: 10,
            shows_traps: false,
            resident_max: 4096,
            activation_rate: None,
            store_unavailable_timeout: Duration::from_secs(10),
            may_call: BTreeMap::new(),
            guest_threads: None,
            weights: BTreeMap::new(),
            rates: Rates::new(),
        }
    }
}
