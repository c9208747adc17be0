//! Validates combinations of values that are each valid alone.
//!
//! A key that would have no effect is rejected, like an unknown key, because its author expects it to have one.

use bytesize::ByteSize;

use super::Config;
use super::backends::{RegistryKind, StoreKind};
use super::source::Given;
use crate::secret::Error;

/// Returns the first conflict found.
pub(super) fn check(config: &Config, given: &Given) -> Result<(), Error> {
    memory(config)?;
    let is_local = config.registry.kind == RegistryKind::Local;
    let is_embedded = config.store.kind == StoreKind::Embedded;
    if is_local {
        belongs_to_nothing(given, "registry", "registry.kind = \"zookeeper\"")?;
    }
    if is_embedded {
        belongs_to_nothing(given, "store", "store.kind = \"s3\"")?;
    }
    if is_local && config.auth.node_token_file.is_some() {
        let text = "auth.node_token_file has no effect without registry.kind = \"zookeeper\"";
        return Err(Error::new(text).with_hint("leave it out: a standalone node has no peers"));
    }
    match (is_local, is_embedded) {
        (true, true) => Ok(()),
        (false, true) => Err(Error::new(
            "registry.kind is \"zookeeper\", but store.kind is \"embedded\": the nodes of a \
             cluster could not read each other's records",
        )
        .with_hint("set store.kind = \"s3\", or registry.kind = \"local\" for a standalone node")),
        (true, false) => Err(Error::new(
            "store.kind is \"s3\", but registry.kind is \"local\": nodes that share a bucket would \
             not see each other's claims",
        )
        .with_hint(
            "set registry.kind = \"zookeeper\", or store.kind = \"embedded\" for a standalone node",
        )),
        (false, false) => cluster(config),
    }
}

/// Rejects a total that a single instance could not reach.
fn memory(config: &Config) -> Result<(), Error> {
    let Some(total) = config.memory_total.filter(|total| *total < config.memory_max) else {
        return Ok(());
    };
    let [total, max] = [total, config.memory_max].map(|bytes| ByteSize(bytes as u64));
    let text = format!("sandbox.memory_total is {total}, less than sandbox.memory_max, {max}");
    Err(Error::new(text).with_hint("raise sandbox.memory_total, or lower sandbox.memory_max"))
}

fn belongs_to_nothing(given: &Given, section: &str, kind: &str) -> Result<(), Error> {
    let is_idle = |name: &str| {
        let key = name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
        key.is_some_and(|key| key != "kind")
    };
    let Some((name, source)) = given.iter().find(|(name, _)| is_idle(name)) else {
        return Ok(());
    };
    let text = format!("{source}: {name} has no effect without {kind}");
    Err(Error::new(text).with_hint(format!("set {kind}, or leave {name} out")))
}

fn cluster(config: &Config) -> Result<(), Error> {
    let registry = &config.registry;
    if registry.connect.is_none() {
        let text = "registry.kind is \"zookeeper\", but registry.connect is missing";
        let hint = "registry.connect = \"zk1:2181,zk2:2181,zk3:2181/highlander\"";
        return Err(Error::new(text).with_hint(hint));
    }
    if config.store.bucket.is_none() {
        let text = "store.kind is \"s3\", but store.bucket is missing";
        return Err(Error::new(text).with_hint("store.bucket = \"objects\""));
    }
    if config.auth.tokens_file.is_some() && config.auth.node_token_file.is_none() {
        let text = "auth.tokens_file is set, but auth.node_token_file is missing: the nodes would reject each other";
        let hint = "auth.node_token_file = \"/etc/highlander/node-token\", with the same content on all nodes";
        return Err(Error::new(text).with_hint(hint));
    }
    if registry.tls_cert.is_some() != registry.tls_key.is_some() {
        let text = "registry.tls_cert and registry.tls_key must be set together";
        return Err(Error::new(text).with_hint("set both, or neither"));
    }
    if registry.tls_cert.is_some() && registry.tls_ca.is_none() {
        let text = "registry.tls_cert is set, but registry.tls_ca, which enables TLS, is missing";
        let hint = "registry.tls_ca = \"/etc/highlander/zookeeper-ca.pem\"";
        return Err(Error::new(text).with_hint(hint));
    }
    if config.listen.ip().is_unspecified() && config.advertise.is_none() {
        let text = format!(
            "{} means every address of this machine, but the other nodes need a specific one",
            config.listen
        );
        return Err(Error::new(text).with_hint("node.advertise = \"10.0.0.5:7410\""));
    }
    Ok(())
}
