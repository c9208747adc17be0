//! The table of keys: each with its default, its unit, its meaning, and how its value is read.
//!
//! `docs/configuration.md` holds the same table, and a test compares the two.

use std::time::Duration;

use super::Config;
use super::backends::{RegistryKind, StoreKind};
use super::value;
use crate::limits::{CALL_TIMEOUT_MAX, STATE_BYTES_MAX};

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// One key.
#[derive(Debug)]
pub struct Key {
    /// `section.key`, as in the file.
    pub name: &'static str,
    /// What holds where nothing is said.
    pub default: &'static str,
    /// What kind of value it takes, and in which range.
    pub unit: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Reads a value into the configuration.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Key {
    /// The environment variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HIGHLANDER_{}", self.name.replace('.', "__").to_uppercase())
    }
}

/// Every key, by section.
pub const KEYS: &[Key] = &[
    Key {
        name: "node.name",
        default: "the host's name",
        unit: "1 to 40 letters, digits and -",
        meaning: "what the node is called; each of its sessions adds 8 digits of its own",
        set: |config, text| value::name(text).map(|name| config.name = Some(name)),
    },
    Key {
        name: "node.listen",
        default: "127.0.0.1:7410",
        unit: "address and port",
        meaning: "where HTTP is answered; beyond loopback only with `node.insecure`",
        set: |config, text| value::address(text).map(|address| config.listen = address),
    },
    Key {
        name: "node.advertise",
        default: "the address listened on",
        unit: "host and port",
        meaning: "where the other nodes reach this one; needed where a node of a cluster listens on `0.0.0.0`",
        set: |config, text| value::host_and_port(text).map(|host| config.advertise = Some(host)),
    },
    Key {
        name: "node.data_dir",
        default: ".highlander",
        unit: "path",
        meaning: "the embedded store's files, and compiled code",
        set: |config, text| value::path(text).map(|dir| config.data_dir = dir),
    },
    Key {
        name: "node.insecure",
        default: "false",
        unit: "true or false",
        meaning: "whether plain HTTP may be answered beyond loopback",
        set: |config, text| value::boolean(text).map(|is_on| config.insecure = is_on),
    },
    Key {
        name: "node.component_max",
        default: "4MiB",
        unit: "size, 64KiB to 64MiB",
        meaning: "largest component that may be uploaded",
        set: |config, text| {
            value::size(text, 64 * KIB..=64 * MIB).map(|size| config.component_max = size)
        },
    },
    Key {
        name: "node.connections_max",
        default: "16384",
        unit: "number, 16 to 1000000",
        meaning: "connections at a time, of which everybody who watches an object takes one",
        set: |config, text| {
            value::number(text, 16..=1_000_000).map(|max| config.connections_max = max)
        },
    },
    Key {
        name: "auth.tokens_file",
        default: "none",
        unit: "path",
        meaning: "who may do what: a line with the SHA-256 of each token; without it everybody may do everything",
        set: |config, text| value::path(text).map(|path| config.auth.tokens_file = Some(path)),
    },
    Key {
        name: "auth.node_token_file",
        default: "none",
        unit: "path",
        meaning: "the secret by which nodes of a cluster know each other, readable by its owner alone",
        set: |config, text| value::path(text).map(|path| config.auth.node_token_file = Some(path)),
    },
    Key {
        name: "registry.kind",
        default: "local",
        unit: "local or zookeeper",
        meaning: "who grants claims: `local` is this process alone, `zookeeper` an ensemble",
        set: |config, text| {
            let kinds = [("local", RegistryKind::Local), ("zookeeper", RegistryKind::ZooKeeper)];
            value::one_of(text, &kinds).map(|kind| config.registry.kind = kind)
        },
    },
    Key {
        name: "registry.connect",
        default: "none",
        unit: "hosts with ports, and a path",
        meaning: "servers of the ensemble, and below which path the cluster is: \
                  `zk1:2181,zk2:2181/highlander`",
        set: |config, text| {
            value::ensemble(text).map(|connect| config.registry.connect = Some(connect))
        },
    },
    Key {
        name: "registry.session_timeout",
        default: "6s",
        unit: "time, 1s to 1m",
        meaning: "after how long without a sign of life a node's claims are free",
        set: |config, text| {
            value::time(text, Duration::from_secs(1)..=Duration::from_mins(1))
                .map(|time| config.registry.session_timeout = time)
        },
    },
    Key {
        name: "registry.claims",
        default: "object",
        unit: "object, or partitions = N with N from 1 to 16384",
        meaning: "how much one claim covers; checked to be alike on all nodes",
        set: |config, text| {
            value::granularity(text).map(|granularity| config.registry.claims = granularity)
        },
    },
    Key {
        name: "registry.claims_max",
        default: "25000",
        unit: "number, 1 to 40000",
        meaning: "claims that this node holds at most",
        set: |config, text| {
            value::number(text, 1..=40_000).map(|max| config.registry.claims_max = max as usize)
        },
    },
    Key {
        name: "registry.credentials_file",
        default: "none",
        unit: "path",
        meaning: "file with `user:password` for digest authentication, readable by its owner alone",
        set: |config, text| {
            value::path(text).map(|path| config.registry.credentials_file = Some(path))
        },
    },
    Key {
        name: "registry.tls_ca",
        default: "none",
        unit: "path",
        meaning: "certificates that the servers' own must come from; asks for TLS",
        set: |config, text| value::path(text).map(|path| config.registry.tls_ca = Some(path)),
    },
    Key {
        name: "registry.tls_cert",
        default: "none",
        unit: "path",
        meaning: "certificate that this node shows to the servers",
        set: |config, text| value::path(text).map(|path| config.registry.tls_cert = Some(path)),
    },
    Key {
        name: "registry.tls_key",
        default: "none",
        unit: "path",
        meaning: "key of that certificate",
        set: |config, text| value::path(text).map(|path| config.registry.tls_key = Some(path)),
    },
    Key {
        name: "store.kind",
        default: "embedded",
        unit: "embedded or s3",
        meaning: "where records are kept: `embedded` is a database in `node.data_dir`, `s3` a bucket",
        set: |config, text| {
            let kinds = [("embedded", StoreKind::Embedded), ("s3", StoreKind::S3)];
            value::one_of(text, &kinds).map(|kind| config.store.kind = kind)
        },
    },
    Key {
        name: "store.bucket",
        default: "none",
        unit: "name",
        meaning: "the bucket; credentials are found as the AWS SDK finds them",
        set: |config, text| value::bucket(text).map(|name| config.store.bucket = Some(name)),
    },
    Key {
        name: "store.prefix",
        default: "none",
        unit: "names with / between them",
        meaning: "what the names of all blobs begin with, so that clusters can share a bucket",
        set: |config, text| value::prefix(text).map(|prefix| config.store.prefix = prefix),
    },
    Key {
        name: "store.endpoint",
        default: "none",
        unit: "address with http:// or https://",
        meaning: "the server, for anything but AWS",
        set: |config, text| value::endpoint(text).map(|url| config.store.endpoint = Some(url)),
    },
    Key {
        name: "store.region",
        default: "as the AWS SDK finds it",
        unit: "name",
        meaning: "the bucket's region",
        set: |config, text| {
            value::not_empty(text).map(|name| config.store.region = Some(name.to_owned()))
        },
    },
    Key {
        name: "store.path_style",
        default: "true where an endpoint is set",
        unit: "true or false",
        meaning: "whether the bucket stands in the path, not in the host's name",
        set: |config, text| value::boolean(text).map(|is_on| config.store.path_style = Some(is_on)),
    },
    Key {
        name: "store.request_timeout",
        default: "5s",
        unit: "time, 100ms to 1m",
        meaning: "how long one request may take; a write past it is undecided, and sent again",
        set: |config, text| {
            value::time(text, Duration::from_millis(100)..=Duration::from_mins(1))
                .map(|time| config.store.request_timeout = time)
        },
    },
    Key {
        name: "objects.idle_timeout",
        default: "5m",
        unit: "time, 1s to 7d",
        meaning: "after how long without a call an object is torn down to its record",
        set: |config, text| {
            let longest = Duration::from_hours(7 * 24);
            value::time(text, Duration::from_secs(1)..=longest)
                .map(|time| config.idle_timeout = time)
        },
    },
    Key {
        name: "objects.state_max",
        default: "1MiB",
        unit: "size, 1KiB to 8MiB",
        meaning: "largest state of one object, as its component encodes it",
        set: |config, text| {
            value::size(text, KIB..=STATE_BYTES_MAX).map(|size| config.state_max = size)
        },
    },
    Key {
        name: "objects.mailbox_len",
        default: "128",
        unit: "number, 1 to 65536",
        meaning: "calls that may wait for one object",
        set: |config, text| {
            value::number(text, 1..=65_536).map(|len| config.mailbox_len = len as usize)
        },
    },
    Key {
        name: "objects.quarantine_after",
        default: "10",
        unit: "number, 1 to 1000000",
        meaning: "failures of its code in a row after which an object is not run for a while",
        set: |config, text| {
            value::number(text, 1..=1_000_000).map(|count| config.quarantine_after = count)
        },
    },
    Key {
        name: "objects.revisions_kept",
        default: "10",
        unit: "number, 1 to 1000",
        meaning: "newest revisions of a type whose components are kept to roll back to",
        set: |config, text| {
            value::number(text, 1..=1000).map(|count| config.revisions_kept = count)
        },
    },
    Key {
        name: "objects.collect_after",
        default: "1d",
        unit: "time, 1s to 365d",
        meaning: "how long nothing may ask for a revision until its component is removed, if no object names it",
        set: |config, text| {
            value::time(text, Duration::from_secs(1)..=Duration::from_hours(365 * 24))
                .map(|time| config.collect_after = time)
        },
    },
    Key {
        name: "objects.call_timeout",
        default: "10s",
        unit: "time, 10ms to 5m",
        meaning: "how long a call may take that names no time of its own",
        set: |config, text| {
            let shortest = Duration::from_millis(10);
            value::time(text, shortest..=CALL_TIMEOUT_MAX).map(|time| config.call_timeout = time)
        },
    },
    Key {
        name: "objects.activation_rate",
        default: "1000 in a cluster, none for a node on its own",
        unit: "number, 1 to 1000000",
        meaning: "activations that a node begins in a second, at most",
        set: |config, text| {
            value::number(text, 1..=1_000_000).map(|rate| config.activation_rate = Some(rate))
        },
    },
    Key {
        name: "objects.store_patience",
        default: "10s",
        unit: "time, 1s to 5m",
        meaning: "how long the store may fail before a node gives its objects up to others",
        set: |config, text| {
            value::time(text, Duration::from_secs(1)..=Duration::from_mins(5))
                .map(|time| config.store_patience = time)
        },
    },
    Key {
        name: "sandbox.memory_max",
        default: "64MiB",
        unit: "size, 1MiB to 4GiB",
        meaning: "memory of one instance",
        set: |config, text| {
            value::size(text, MIB..=4096 * MIB).map(|size| config.memory_max = size)
        },
    },
    Key {
        name: "sandbox.cpu_max",
        default: "100ms",
        unit: "time, 1ms to 10s",
        meaning: "processor time of one call",
        set: |config, text| {
            let range = Duration::from_millis(1)..=Duration::from_secs(10);
            value::time(text, range).map(|time| config.cpu_max = time)
        },
    },
    Key {
        name: "sandbox.resident_max",
        default: "4096",
        unit: "number, 1 to 20000",
        meaning: "instances kept at a time; the kernel's `vm.max_map_count` bounds it too",
        set: |config, text| value::number(text, 1..=20_000).map(|max| config.resident_max = max),
    },
    Key {
        name: "sandbox.compile_time_max",
        default: "20s",
        unit: "time, 1s to 10m",
        meaning: "how long compiling one component may take, in processor time and in all",
        set: |config, text| {
            let range = Duration::from_secs(1)..=Duration::from_mins(10);
            value::time(text, range).map(|time| config.compile_time_max = time)
        },
    },
    Key {
        name: "sandbox.compile_memory_max",
        default: "1GiB",
        unit: "size, 256MiB to 64GiB",
        meaning: "memory that compiling one component may take, in a process of its own",
        set: |config, text| {
            value::size(text, 256 * MIB..=65_536 * MIB).map(|size| config.compile_memory_max = size)
        },
    },
    Key {
        name: "sandbox.code_cache_max",
        default: "1GiB",
        unit: "size, 1MiB to 64GiB",
        meaning: "compiled code that is kept in `node.data_dir`; what was not used for longest goes first",
        set: |config, text| {
            value::size(text, MIB..=65_536 * MIB).map(|size| config.code_cache_max = size)
        },
    },
];
