//! Table of the configuration keys: default, range, purpose, and parser of each.
//!
//! A test compares it with the table in `docs/configuration.md`.

use std::time::Duration;

use highlander_core::limits::{CALL_TIMEOUT_MAX, STATE_BYTES_MAX};

use super::backends::{RegistryKind, StoreKind};
use super::{Config, parse};

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// Configuration key.
#[derive(Debug)]
pub struct Key {
    /// Name as `section.key`.
    pub name: &'static str,
    /// Default, for display.
    pub default: &'static str,
    /// Type and range of the value, for display.
    pub unit: &'static str,
    /// Purpose, for display.
    pub meaning: &'static str,
    /// Parses a value and stores it in the configuration.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Key {
    /// Returns the environment variable that sets the key.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HIGHLANDER_{}", self.name.replace('.', "__").to_uppercase())
    }
}

/// All keys, by section.
pub const KEYS: &[Key] = &[
    Key {
        name: "node.name",
        default: "the host name",
        unit: "1 to 40 letters, digits and -",
        meaning: "name of the node; each of its sessions appends 8 hexadecimal digits",
        set: |config, text| parse::name(text).map(|name| config.name = Some(name)),
    },
    Key {
        name: "node.listen",
        default: "127.0.0.1:7410",
        unit: "address and port",
        meaning: "HTTP listen address; an address other than loopback requires `node.insecure`",
        set: |config, text| parse::address(text).map(|address| config.listen = address),
    },
    Key {
        name: "node.advertise",
        default: "the listen address",
        unit: "host and port",
        meaning: "address for the other nodes; required if a node of a cluster listens on `0.0.0.0`",
        set: |config, text| parse::host_and_port(text).map(|host| config.advertise = Some(host)),
    },
    Key {
        name: "node.data_dir",
        default: ".highlander",
        unit: "path",
        meaning: "directory of the embedded store and of compiled code",
        set: |config, text| parse::path(text).map(|dir| config.data_dir = dir),
    },
    Key {
        name: "node.insecure",
        default: "false",
        unit: "true or false",
        meaning: "whether to permit plain HTTP on addresses other than loopback",
        set: |config, text| parse::boolean(text).map(|is_on| config.insecure = is_on),
    },
    Key {
        name: "node.component_max",
        default: "4MiB",
        unit: "size, 64KiB to 64MiB",
        meaning: "maximum size of an uploaded component",
        set: |config, text| {
            parse::size(text, 64 * KIB..=64 * MIB).map(|size| config.component_max = size)
        },
    },
    Key {
        name: "node.connections_max",
        default: "16384",
        unit: "number, 16 to 1000000",
        meaning: "maximum number of open connections; each client that watches an object uses one",
        set: |config, text| {
            parse::number(text, 16..=1_000_000).map(|max| config.connections_max = max)
        },
    },
    Key {
        name: "auth.tokens_file",
        default: "none",
        unit: "path",
        meaning: "file with the digest and scopes of each client token; without it, every client may do everything",
        set: |config, text| parse::path(text).map(|path| config.auth.tokens_file = Some(path)),
    },
    Key {
        name: "auth.node_token_file",
        default: "none",
        unit: "path",
        meaning: "file with the secret with which nodes authenticate each other, readable only by its owner",
        set: |config, text| parse::path(text).map(|path| config.auth.node_token_file = Some(path)),
    },
    Key {
        name: "registry.kind",
        default: "local",
        unit: "local or zookeeper",
        meaning: "registry that grants claims: `local` is this process alone, `zookeeper` is an ensemble",
        set: |config, text| {
            let kinds = [("local", RegistryKind::Local), ("zookeeper", RegistryKind::ZooKeeper)];
            parse::one_of(text, &kinds).map(|kind| config.registry.kind = kind)
        },
    },
    Key {
        name: "registry.connect",
        default: "none",
        unit: "hosts with ports, and a path",
        meaning: "servers of the ensemble, and the chroot of the cluster: `zk1:2181,zk2:2181/highlander`",
        set: |config, text| {
            parse::ensemble(text).map(|connect| config.registry.connect = Some(connect))
        },
    },
    Key {
        name: "registry.session_timeout",
        default: "6s",
        unit: "time, 1s to 1m",
        meaning: "time without a heartbeat after which a node's claims are released",
        set: |config, text| {
            parse::time(text, Duration::from_secs(1)..=Duration::from_mins(1))
                .map(|time| config.registry.session_timeout = time)
        },
    },
    Key {
        name: "registry.claims",
        default: "object",
        unit: "object, or partitions = N with N from 1 to 16384",
        meaning: "scope of one claim: an object, or one of N partitions; checked to be the same on all nodes",
        set: |config, text| {
            parse::granularity(text).map(|granularity| config.registry.claims = granularity)
        },
    },
    Key {
        name: "registry.claims_max",
        default: "25000",
        unit: "number, 1 to 40000",
        meaning: "maximum number of claims that this node holds",
        set: |config, text| {
            parse::number(text, 1..=40_000).map(|max| config.registry.claims_max = max as usize)
        },
    },
    Key {
        name: "registry.credentials_file",
        default: "none",
        unit: "path",
        meaning: "file with `user:password` for digest authentication, readable only by its owner",
        set: |config, text| {
            parse::path(text).map(|path| config.registry.credentials_file = Some(path))
        },
    },
    Key {
        name: "registry.tls_ca",
        default: "none",
        unit: "path",
        meaning: "file with the CA certificates that the servers' certificates must chain to; enables TLS",
        set: |config, text| parse::path(text).map(|path| config.registry.tls_ca = Some(path)),
    },
    Key {
        name: "registry.tls_cert",
        default: "none",
        unit: "path",
        meaning: "file with the client certificate that this node presents to the servers",
        set: |config, text| parse::path(text).map(|path| config.registry.tls_cert = Some(path)),
    },
    Key {
        name: "registry.tls_key",
        default: "none",
        unit: "path",
        meaning: "file with the private key of that certificate",
        set: |config, text| parse::path(text).map(|path| config.registry.tls_key = Some(path)),
    },
    Key {
        name: "store.kind",
        default: "embedded",
        unit: "embedded or s3",
        meaning: "store of the records: `embedded` is a database in `node.data_dir`, `s3` is a bucket",
        set: |config, text| {
            let kinds = [("embedded", StoreKind::Embedded), ("s3", StoreKind::S3)];
            parse::one_of(text, &kinds).map(|kind| config.store.kind = kind)
        },
    },
    Key {
        name: "store.bucket",
        default: "none",
        unit: "name",
        meaning: "name of the bucket; the AWS SDK resolves the credentials",
        set: |config, text| parse::bucket(text).map(|name| config.store.bucket = Some(name)),
    },
    Key {
        name: "store.prefix",
        default: "none",
        unit: "names with / between them",
        meaning: "prefix of all blob names, so that clusters can share a bucket",
        set: |config, text| parse::prefix(text).map(|prefix| config.store.prefix = prefix),
    },
    Key {
        name: "store.endpoint",
        default: "none",
        unit: "address with http:// or https://",
        meaning: "URL of the S3 server, unless it is AWS",
        set: |config, text| parse::endpoint(text).map(|url| config.store.endpoint = Some(url)),
    },
    Key {
        name: "store.region",
        default: "as resolved by the AWS SDK",
        unit: "name",
        meaning: "region of the bucket",
        set: |config, text| {
            parse::not_empty(text).map(|name| config.store.region = Some(name.to_owned()))
        },
    },
    Key {
        name: "store.path_style",
        default: "true if an endpoint is set",
        unit: "true or false",
        meaning: "whether requests name the bucket in the path instead of the host name",
        set: |config, text| parse::boolean(text).map(|is_on| config.store.path_style = Some(is_on)),
    },
    Key {
        name: "store.request_timeout",
        default: "5s",
        unit: "time, 100ms to 1m",
        meaning: "timeout of one request; a write that exceeds it is undecided, and is sent again",
        set: |config, text| {
            parse::time(text, Duration::from_millis(100)..=Duration::from_mins(1))
                .map(|time| config.store.request_timeout = time)
        },
    },
    Key {
        name: "objects.idle_timeout",
        default: "5m",
        unit: "time, 1s to 7d",
        meaning: "time without a call after which an object is unloaded, so that only its record remains",
        set: |config, text| {
            let longest = Duration::from_hours(7 * 24);
            parse::time(text, Duration::from_secs(1)..=longest)
                .map(|time| config.idle_timeout = time)
        },
    },
    Key {
        name: "objects.state_max",
        default: "1MiB",
        unit: "size, 1KiB to 8MiB",
        meaning: "maximum size of an object's state, as its component encodes it",
        set: |config, text| {
            parse::size(text, KIB..=STATE_BYTES_MAX).map(|size| config.state_max = size)
        },
    },
    Key {
        name: "objects.mailbox_len",
        default: "128",
        unit: "number, 1 to 65536",
        meaning: "maximum number of clients' calls waiting for one object; half as many background calls \
                  may wait beside them",
        set: |config, text| {
            parse::number(text, 1..=65_536).map(|len| config.mailbox_len = len as usize)
        },
    },
    Key {
        name: "objects.quarantine_after",
        default: "10",
        unit: "number, 1 to 1000000",
        meaning: "number of consecutive failures of its code after which an object is quarantined",
        set: |config, text| {
            parse::number(text, 1..=1_000_000).map(|count| config.quarantine_after = count)
        },
    },
    Key {
        name: "objects.revisions_kept",
        default: "10",
        unit: "number, 1 to 1000",
        meaning: "number of newest revisions of a type whose components are kept for rollbacks",
        set: |config, text| {
            parse::number(text, 1..=1000).map(|count| config.revisions_kept = count)
        },
    },
    Key {
        name: "objects.component_retention",
        default: "1d",
        unit: "time, 1s to 365d",
        meaning: "time without use after which a revision's component is removed, unless an object's record names it",
        set: |config, text| {
            parse::time(text, Duration::from_secs(1)..=Duration::from_hours(365 * 24))
                .map(|time| config.component_retention = time)
        },
    },
    Key {
        name: "objects.call_timeout",
        default: "10s",
        unit: "time, 10ms to 5m",
        meaning: "timeout of a call that does not specify one",
        set: |config, text| {
            let shortest = Duration::from_millis(10);
            parse::time(text, shortest..=CALL_TIMEOUT_MAX).map(|time| config.call_timeout = time)
        },
    },
    Key {
        name: "objects.activation_rate",
        default: "1000 in a cluster, none for a standalone node",
        unit: "number, 1 to 1000000",
        meaning: "maximum number of activations that a node starts per second",
        set: |config, text| {
            parse::number(text, 1..=1_000_000).map(|rate| config.activation_rate = Some(rate))
        },
    },
    Key {
        name: "objects.store_unavailable_timeout",
        default: "10s",
        unit: "time, 1s to 5m",
        meaning: "time for which the store may fail before a node gives up its objects to other nodes",
        set: |config, text| {
            parse::time(text, Duration::from_secs(1)..=Duration::from_mins(5))
                .map(|time| config.store_unavailable_timeout = time)
        },
    },
    Key {
        name: "sandbox.memory_max",
        default: "64MiB",
        unit: "size, 1MiB to 4GiB",
        meaning: "maximum memory of one instance",
        set: |config, text| {
            parse::size(text, MIB..=4096 * MIB).map(|size| config.memory_max = size)
        },
    },
    Key {
        name: "sandbox.memory_total",
        default: "half of the memory of the machine or its cgroup",
        unit: "size, 16MiB to 16TiB",
        meaning: "maximum memory of all instances, states and unread responses, and of the compiler while it runs",
        set: |config, text| {
            parse::size(text, 16 * MIB..=16 * 1024 * 1024 * MIB)
                .map(|size| config.memory_total = Some(size))
        },
    },
    Key {
        name: "sandbox.cpu_max",
        default: "100ms",
        unit: "time, 1ms to 10s",
        meaning: "maximum CPU time of one call",
        set: |config, text| {
            let range = Duration::from_millis(1)..=Duration::from_secs(10);
            parse::time(text, range).map(|time| config.cpu_max = time)
        },
    },
    Key {
        name: "sandbox.resident_max",
        default: "4096",
        unit: "number, 1 to 20000",
        meaning: "maximum number of cached instances; the kernel's `vm.max_map_count` limits it, too",
        set: |config, text| parse::number(text, 1..=20_000).map(|max| config.resident_max = max),
    },
    Key {
        name: "sandbox.guest_threads",
        default: "one for each core",
        unit: "number, 1 to 1024",
        meaning: "number of threads, of a lower priority, for calls that are not known to be short",
        set: |config, text| parse::number(text, 1..=1024).map(|n| config.guest_threads = Some(n)),
    },
    Key {
        name: "sandbox.compile_time_max",
        default: "20s",
        unit: "time, 1s to 10m",
        meaning: "maximum time for compiling one component, both in CPU time and in elapsed time",
        set: |config, text| {
            let range = Duration::from_secs(1)..=Duration::from_mins(10);
            parse::time(text, range).map(|time| config.compile_time_max = time)
        },
    },
    Key {
        name: "sandbox.compile_memory_max",
        default: "1GiB",
        unit: "size, 256MiB to 64GiB",
        meaning: "maximum memory for compiling one component, which takes place in a separate process",
        set: |config, text| {
            parse::size(text, 256 * MIB..=65_536 * MIB).map(|size| config.compile_memory_max = size)
        },
    },
    Key {
        name: "sandbox.code_cache_max",
        default: "1GiB",
        unit: "size, 1MiB to 64GiB",
        meaning: "maximum size of the cache of compiled code in `node.data_dir`; evicts the least recently used",
        set: |config, text| {
            parse::size(text, MIB..=65_536 * MIB).map(|size| config.code_cache_max = size)
        },
    },
];
