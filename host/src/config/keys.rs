//! The table of keys: each with its default, its unit, its meaning, and how its value is read.
//!
//! `docs/configuration.md` holds the same table, and a test compares the two.

use std::path::PathBuf;
use std::time::Duration;

use super::Config;
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
        meaning: "where other machines reach this node",
        set: |config, text| value::host_and_port(text).map(|host| config.advertise = Some(host)),
    },
    Key {
        name: "node.data_dir",
        default: ".highlander",
        unit: "path",
        meaning: "the embedded store's files, and compiled code",
        set: |config, text| value::not_empty(text).map(|dir| config.data_dir = PathBuf::from(dir)),
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
        name: "registry.kind",
        default: "local",
        unit: "local",
        meaning: "who grants claims: `local` is this process alone",
        set: |_, text| value::only(text, "registry", "local"),
    },
    Key {
        name: "store.kind",
        default: "embedded",
        unit: "embedded",
        meaning: "where records are kept: `embedded` is a database in `node.data_dir`",
        set: |_, text| value::only(text, "store", "embedded"),
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
];
