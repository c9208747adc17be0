//! Validates combinations of values that are each valid alone.
//!
//! A key that would have no effect is rejected, like an unknown key, because its author expects it to have one.

use super::backends::{RegistryKind, StoreKind};
use super::source::Given;
use super::{Config, Error};

/// Returns the first conflict found.
pub(super) fn check(config: &Config, given: &Given) -> Result<(), Error> {
    let is_local = config.registry.kind == RegistryKind::Local;
    let is_embedded = config.store.kind == StoreKind::Embedded;
    if is_local {
        belongs_to_nothing(given, "registry", "registry.kind = \"zookeeper\"")?;
    }
    if is_embedded {
        belongs_to_nothing(given, "store", "store.kind = \"s3\"")?;
    }
    if is_local && config.auth.node_token_file.is_some() {
        let text = "auth.node_token_file means nothing without registry.kind = \"zookeeper\"";
        return Err(
            Error::new(text).with_hint("leave it out: a node on its own has no other nodes")
        );
    }
    match (is_local, is_embedded) {
        (true, true) => Ok(()),
        (false, true) => Err(Error::new(
            "registry.kind is \"zookeeper\" and store.kind \"embedded\": the nodes of a cluster \
             could not read each other's records",
        )
        .with_hint("store.kind = \"s3\", or registry.kind = \"local\" for a node on its own")),
        (true, false) => Err(Error::new(
            "store.kind is \"s3\" and registry.kind \"local\": nodes that share a bucket would \
             not know of each other's claims",
        )
        .with_hint(
            "registry.kind = \"zookeeper\", or store.kind = \"embedded\" for a node on its own",
        )),
        (false, false) => cluster(config),
    }
}

fn belongs_to_nothing(given: &Given, section: &str, kind: &str) -> Result<(), Error> {
    let is_idle = |name: &str| {
        let key = name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
        key.is_some_and(|key| key != "kind")
    };
    let Some((name, source)) = given.iter().find(|(name, _)| is_idle(name)) else {
        return Ok(());
    };
    let text = format!("{source}: {name} means nothing without {kind}");
    Err(Error::new(text).with_hint(format!("say {kind}, or leave {name} out")))
}

fn cluster(config: &Config) -> Result<(), Error> {
    let registry = &config.registry;
    if registry.connect.is_none() {
        let text = "registry.kind is \"zookeeper\", and registry.connect is missing";
        let hint = "registry.connect = \"zk1:2181,zk2:2181,zk3:2181/highlander\"";
        return Err(Error::new(text).with_hint(hint));
    }
    if config.store.bucket.is_none() {
        let text = "store.kind is \"s3\", and store.bucket is missing";
        return Err(Error::new(text).with_hint("store.bucket = \"objects\""));
    }
    if config.auth.tokens_file.is_some() && config.auth.node_token_file.is_none() {
        let text = "auth.tokens_file is set, and auth.node_token_file is missing: the nodes would refuse each other";
        let hint = "auth.node_token_file = \"/etc/highlander/node-token\", with the same content on all nodes";
        return Err(Error::new(text).with_hint(hint));
    }
    if registry.tls_cert.is_some() != registry.tls_key.is_some() {
        let text = "registry.tls_cert and registry.tls_key are of use together only";
        return Err(Error::new(text).with_hint("set both, or none of them"));
    }
    if registry.tls_cert.is_some() && registry.tls_ca.is_none() {
        let text = "registry.tls_cert is set, and registry.tls_ca, which asks for TLS, is missing";
        let hint = "registry.tls_ca = \"/etc/highlander/zookeeper-ca.pem\"";
        return Err(Error::new(text).with_hint(hint));
    }
    if config.listen.ip().is_unspecified() && config.advertise.is_none() {
        let text = format!(
            "{} is every address of this machine, and the other nodes need one of them",
            config.listen
        );
        return Err(Error::new(text).with_hint("node.advertise = \"10.0.0.5:7410\""));
    }
    Ok(())
}
