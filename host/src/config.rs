//! What an operator may set: one table of keys ([`keys`]), read from a file and from the environment ([`source`]).
//!
//! Every value is checked once, here, and is valid from then on, alone ([`value`]) and beside the others ([`agree`]).
//! Nothing here touches the network or a store, and nothing has two spellings: a size or a time without unit is
//! refused, an unknown key too. Secrets are in files of their own ([`secret`],
//! [`auth`]), never in a [`Config`].

mod agree;
pub mod auth;
pub mod backends;
pub mod keys;
pub mod secret;
pub mod source;
pub mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auth::AuthConfig;
use backends::{RegistryConfig, RegistryKind, StoreConfig};

/// Mappings of memory that the process needs beside those of resident instances: its own, and those of the 64
/// instances that the sandbox adds for describing and replacing others.
const MAPPINGS_MARGIN: u64 = 4096 + 64 * MAPPINGS_PER_INSTANCE;
/// Open files beside the connections of clients.
const FILES_MARGIN: u64 = 1024;
/// Activations that a node of a cluster begins in a second, where nothing is said.
const ACTIVATION_RATE: u32 = 1000;
/// Mappings of memory that one resident instance holds.
const MAPPINGS_PER_INSTANCE: u64 = 4;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, and where.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Error {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A whole configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `node.name`; nothing means the host's name.
    pub name: Option<String>,
    /// `node.listen`: where HTTP is answered.
    pub listen: SocketAddr,
    /// `node.advertise`: where others reach this node; nothing means `listen`.
    pub advertise: Option<String>,
    /// `node.data_dir`: the embedded store and compiled code.
    pub data_dir: PathBuf,
    /// Whether it is a developer's node: no key, but what `highlander dev` is.
    pub is_dev: bool,
    /// The folder whose files are at `/web/`: no key, but an option of `highlander dev` alone.
    pub web: Option<PathBuf>,
    /// `node.insecure`: whether plain HTTP may be answered beyond loopback.
    pub insecure: bool,
    /// `node.component_max`: largest component, in bytes.
    pub component_max: usize,
    /// `node.connections_max`.
    pub connections_max: u32,
    /// `auth.…`: who is let in.
    pub auth: AuthConfig,
    /// `registry.…`: who grants claims.
    pub registry: RegistryConfig,
    /// `store.…`: where records are kept.
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
    /// `objects.collect_after`.
    pub collect_after: Duration,
    /// `objects.call_timeout`.
    pub call_timeout: Duration,
    /// `objects.activation_rate`, where it was said: activations begun in a second, at most.
    pub activation_rate: Option<u32>,
    /// `objects.store_patience`.
    pub store_patience: Duration,
    /// `sandbox.memory_max`, in bytes.
    pub memory_max: usize,
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
}

impl Default for Config {
    fn default() -> Self {
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
            idle_timeout: Duration::from_mins(5),
            state_max: 1024 * 1024,
            mailbox_len: 128,
            quarantine_after: 10,
            revisions_kept: 10,
            collect_after: Duration::from_hours(24),
            call_timeout: Duration::from_secs(10),
            activation_rate: None,
            store_patience: Duration::from_secs(10),
            memory_max: 64 * 1024 * 1024,
            cpu_max: Duration::from_millis(100),
            resident_max: 4096,
            compile_time_max: Duration::from_secs(20),
            compile_memory_max: 1024 * 1024 * 1024,
            code_cache_max: 1024 * 1024 * 1024,
        }
    }
}

impl Config {
    /// The configuration of a file, where there is one, with what the environment sets over it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
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
        agree::check(&config, &given)?;
        Ok(config)
    }

    /// The node's name: the one that was given, else the host's.
    #[must_use]
    pub fn node_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            value::fitting_name(&host)
        })
    }

    /// Refuses to answer plain HTTP beyond loopback unless that was asked for.
    ///
    /// # Errors
    /// With what to write.
    pub fn check_exposure(&self) -> Result<(), Error> {
        if self.listen.ip().is_loopback() || self.insecure {
            return Ok(());
        }
        let text = format!(
            "{} can be reached from other machines, and this build has no TLS",
            self.listen
        );
        Err(Error::new(text).with_hint(
            "listen on 127.0.0.1 behind a proxy that has TLS, or say node.insecure = true \
             (HIGHLANDER_NODE__INSECURE=true) if the network is trusted",
        ))
    }

    /// What an operator is to know of a node that everybody may use, from other machines too.
    #[must_use]
    pub fn openness(&self) -> Option<String> {
        let is_open = self.auth.tokens_file.is_none() && !self.listen.ip().is_loopback();
        is_open.then(|| {
            let listen = self.listen;
            format!("everybody who reaches {listen} may call, deploy and drain: auth.tokens_file is not set")
        })
    }

    /// Activations that may begin in a second; nothing means any number. Unless it was said, that is so where
    /// registry and store are in this process and serve no other.
    #[must_use]
    pub fn activations_per_s(&self) -> Option<u32> {
        let by_default = match self.registry.kind {
            RegistryKind::Local => None,
            RegistryKind::ZooKeeper => Some(ACTIVATION_RATE),
        };
        self.activation_rate.or(by_default)
    }

    /// The address that others are told.
    #[must_use]
    pub fn advertised(&self, listening: SocketAddr) -> String {
        self.advertise.clone().unwrap_or_else(|| listening.to_string())
    }
}

/// Resident instances that a kernel with `max_map_count` mappings per process allows.
#[must_use]
pub fn resident_allowed(max_map_count: u64) -> u32 {
    let instances = max_map_count.saturating_sub(MAPPINGS_MARGIN) / MAPPINGS_PER_INSTANCE;
    u32::try_from(instances).unwrap_or(u32::MAX).max(1)
}

/// The kernel's `vm.max_map_count` that `resident_max` instances need.
#[must_use]
pub fn map_count_needed(resident_max: u32) -> u64 {
    u64::from(resident_max) * MAPPINGS_PER_INSTANCE + MAPPINGS_MARGIN
}

/// The open files that a node with so many connections needs.
#[must_use]
pub fn files_needed(connections_max: u32) -> u64 {
    u64::from(connections_max) + FILES_MARGIN
}

/// The kernel's present `vm.max_map_count`; nothing where it does not say.
#[must_use]
pub fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
