//! Operator configuration: one table of keys ([`keys`]), read from a file and from the environment ([`source`]).
//!
//! Each value is validated once, first alone ([`parse`]) and then together with the others ([`validate`]), and is
//! valid from then on. This module performs no network or store I/O. Each setting has one spelling: sizes and
//! times without a unit and unknown keys are rejected. Secrets are in separate files ([`crate::secret`], [`auth`]),
//! never in a [`Config`].

pub mod auth;
pub mod backends;
pub mod keys;
pub mod parse;
pub mod source;
pub mod type_keys;
mod validate;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use highlander_core::caller::call_policy::TypeSet;
use highlander_core::catalog::component_gc::Retention;
use highlander_core::id::TypeName;
use highlander_core::limits::CALL_TIMEOUT;
use highlander_wasmtime::{CompileLimits, SandboxConfig, memory_total_by_default};

use crate::node::{self, Rates};
pub use crate::secret::Error;
use auth::AuthConfig;
use backends::{RegistryConfig, RegistryKind, StoreConfig};

/// Memory mappings reserved in addition to those of resident instances: those of the process itself, and of the 64
/// additional instances that the sandbox uses to describe components and to replace other instances.
const MAPPINGS_MARGIN: u64 = 4096 + 64 * MAPPINGS_PER_INSTANCE;
/// Open files reserved in addition to client connections.
const FILES_MARGIN: u64 = 1024;
/// Default rate of activations per second for a node of a cluster.
const ACTIVATION_RATE: u32 = 1000;
/// Memory mappings used by one resident instance.
const MAPPINGS_PER_INSTANCE: u64 = 4;

/// Complete, validated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `node.name`; `None` means the host's name.
    pub name: Option<String>,
    /// `node.listen`: HTTP listen address.
    pub listen: SocketAddr,
    /// `node.advertise`: address for other nodes; `None` means `listen`.
    pub advertise: Option<String>,
    /// `node.data_dir`: directory of the embedded store and of compiled code.
    pub data_dir: PathBuf,
    /// Whether this is a development node (`highlander dev`). Not a configuration key.
    pub is_dev: bool,
    /// Directory served at `/web/`. Not a configuration key, but an option of `highlander dev`.
    pub web: Option<PathBuf>,
    /// `node.insecure`: whether to permit plain HTTP beyond loopback.
    pub insecure: bool,
    /// `node.component_max`: maximum component size, in bytes.
    pub component_max: usize,
    /// `node.connections_max`.
    pub connections_max: u32,
    /// `auth.…`: authentication.
    pub auth: AuthConfig,
    /// `registry.…`: registry that grants claims.
    pub registry: RegistryConfig,
    /// `store.…`: store of the records.
    pub store: StoreConfig,
    /// `objects.idle_timeout`.
    pub idle_timeout: Duration,
    /// `objects.state_max`, in bytes.
    pub state_max: usize,
    /// `objects.mailbox_len`.
    pub mailbox_len: usize,
    /// `objects.quarantine_after`.
    pub quarantine_after: u32,
    /// `objects.revisions_kept`.
    pub revisions_kept: u32,
    /// `objects.component_retention`.
    pub component_retention: Duration,
    /// `objects.call_timeout`.
    pub call_timeout: Duration,
    /// `objects.activation_rate`, if set: maximum number of activations per second.
    pub activation_rate: Option<u32>,
    /// `objects.store_unavailable_timeout`.
    pub store_unavailable_timeout: Duration,
    /// `sandbox.memory_max`, in bytes.
    pub memory_max: usize,
    /// `sandbox.memory_total`, if set, in bytes.
    pub memory_total: Option<usize>,
    /// `sandbox.cpu_max`.
    pub cpu_max: Duration,
    /// `sandbox.resident_max`.
    pub resident_max: u32,
    /// `sandbox.compile_time_max`.
    pub compile_time_max: Duration,
    /// `sandbox.compile_memory_max`, in bytes.
    pub compile_memory_max: usize,
    /// `sandbox.code_cache_max`, in bytes.
    pub code_cache_max: usize,
    /// `sandbox.guest_threads`, if set.
    pub guest_threads: Option<u32>,
    /// `types.NAME.may_call`: types that the objects of a type may call.
    pub may_call: BTreeMap<TypeName, Arc<TypeSet>>,
    /// `types.NAME.weight`: weights of types in the shares of processor time.
    pub weights: BTreeMap<TypeName, u32>,
    /// `types.NAME.calls_per_second`, `messages_per_second` and `alarms_per_second`.
    pub rates: Rates,
}

impl Default for Config {
    fn default() -> Self {
        // Each default stands where the setting takes effect.
        let node = node::Config::default();
        let sandbox = SandboxConfig::default();
        let compiling = CompileLimits::default();
        let retention = Retention::default();
        Self {
            name: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 7410)),
            advertise: None,
            data_dir: PathBuf::from(".highlander"),
            is_dev: false,
            web: None,
            insecure: false,
            component_max: 4 * 1024 * 1024,
            connections_max: 16_384,
            auth: AuthConfig::default(),
            registry: RegistryConfig::default(),
            store: StoreConfig::default(),
            idle_timeout: node.idle_timeout,
            state_max: sandbox.state_max,
            mailbox_len: node.mailbox_len,
            quarantine_after: node.fault_max,
            revisions_kept: u32::try_from(retention.kept_count).unwrap_or(u32::MAX),
            component_retention: Duration::from_millis(retention.after_ms),
            call_timeout: CALL_TIMEOUT,
            activation_rate: node.activation_rate,
            store_unavailable_timeout: node.store_unavailable_timeout,
            memory_max: sandbox.memory_max,
            memory_total: None,
            cpu_max: sandbox.cpu_max,
            resident_max: sandbox.resident_max,
            compile_time_max: compiling.time_max,
            compile_memory_max: usize::try_from(compiling.memory_max).unwrap_or(usize::MAX),
            code_cache_max: usize::try_from(sandbox.cache_max).unwrap_or(usize::MAX),
            guest_threads: None,
            may_call: node.may_call,
            weights: node.weights,
            rates: node.rates,
        }
    }
}

impl Config {
    /// Loads the configuration from a file, if given, and from the environment, which takes precedence.
    ///
    /// # Errors
    /// The first problem found.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut config = Self::default();
        let mut given = source::Given::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::new(format!("cannot read {}: {error}", path.display())))?;
            source::apply_file(&mut config, &mut given, &text, &path.display().to_string())?;
        }
        source::apply_environment(&mut config, &mut given, environment)?;
        validate::check(&config, &given)?;
        Ok(config)
    }

    /// Returns the configured node name, or else the host's name.
    #[must_use]
    pub fn node_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            parse::fitting_name(&host)
        })
    }

    /// Rejects a listen address beyond loopback, because it means plain HTTP, unless `node.insecure` permits it.
    ///
    /// # Errors
    /// The exposed address, with a hint that names the setting.
    pub fn check_exposure(&self) -> Result<(), Error> {
        if self.listen.ip().is_loopback() || self.insecure {
            return Ok(());
        }
        let text = format!(
            "{} is reachable from other machines, but this build does not support TLS",
            self.listen
        );
        Err(Error::new(text).with_hint(
            "listen on 127.0.0.1 behind a TLS proxy, or set node.insecure = true \
             (HIGHLANDER_NODE__INSECURE=true) if the network is trusted",
        ))
    }

    /// Returns a warning if the node accepts anonymous callers from other machines.
    #[must_use]
    pub fn exposure_warning(&self) -> Option<String> {
        let is_open = self.auth.tokens_file.is_none() && !self.listen.ip().is_loopback();
        is_open.then(|| {
            let listen = self.listen;
            format!("anyone who can reach {listen} may call, deploy and drain: auth.tokens_file is not set")
        })
    }

    /// Returns the maximum activation rate per second; `None` means unlimited. This is the default if registry and
    /// store are in this process and serve no other node.
    #[must_use]
    pub fn activations_per_s(&self) -> Option<u32> {
        let by_default = match self.registry.kind {
            RegistryKind::Local => None,
            RegistryKind::ZooKeeper => Some(ACTIVATION_RATE),
        };
        self.activation_rate.or(by_default)
    }

    /// Returns the memory of all instances together, in bytes. By default, it depends on the machine.
    #[must_use]
    pub fn memory_total(&self) -> usize {
        self.memory_total.unwrap_or_else(|| memory_total_by_default(self.memory_max))
    }

    /// Returns the address published to other nodes.
    #[must_use]
    pub fn advertised(&self, listening: SocketAddr) -> String {
        self.advertise.clone().unwrap_or_else(|| listening.to_string())
    }
}

/// Returns the number of resident instances possible with `max_map_count` mappings per process.
#[must_use]
pub fn resident_allowed(max_map_count: u64) -> u32 {
    let instances = max_map_count.saturating_sub(MAPPINGS_MARGIN) / MAPPINGS_PER_INSTANCE;
    u32::try_from(instances).unwrap_or(u32::MAX).max(1)
}

/// Returns the `vm.max_map_count` that `resident_max` instances need.
#[must_use]
pub fn map_count_needed(resident_max: u32) -> u64 {
    u64::from(resident_max) * MAPPINGS_PER_INSTANCE + MAPPINGS_MARGIN
}

/// Returns the number of open files that a node with this many connections needs.
#[must_use]
pub fn files_needed(connections_max: u32) -> u64 {
    u64::from(connections_max) + FILES_MARGIN
}

/// Returns the kernel's current `vm.max_map_count`, or `None` if it cannot be read.
#[must_use]
pub fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
