//! Network checks: whether the node can listen on its address, and whether the advertised address is plausible.
//!
//! Reachability from other machines cannot be checked from here.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, lookup_host};

use super::finding::Finding;
use crate::config::Config;
use crate::config::backends::RegistryKind;

/// Runs all checks of this node's addresses.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![listen(config.listen).await];
    if config.registry.kind == RegistryKind::ZooKeeper {
        findings.push(advertise(&config.advertised(config.listen), config).await);
    }
    findings
}

async fn listen(address: SocketAddr) -> Finding {
    const CHECK: &str = "node.listen";
    match TcpListener::bind(address).await {
        Ok(_) => Finding::ok(CHECK, format!("{address} is free")),
        // Usually the node itself is running.
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let found = format!("{address} is in use by a running node or another program");
            Finding::warn(
                CHECK,
                found,
                format!("find the process: ss -ltnp | grep ':{}'", address.port()),
            )
        }
        Err(error) => {
            let found = format!("cannot listen on {address}: {error}");
            Finding::fail(
                CHECK,
                found,
                "set node.listen = \"127.0.0.1:7410\", or another address of this machine",
            )
        }
    }
}

async fn advertise(address: &str, config: &Config) -> Finding {
    const CHECK: &str = "node.advertise";
    let mend = "set node.advertise to the address at which other nodes reach this machine, such as \"10.0.0.5:7410\"";
    let found: Vec<IpAddr> = match lookup_host(address).await {
        Ok(addresses) => addresses.map(|address| address.ip()).collect(),
        Err(error) => {
            let found = format!("cannot resolve {address}: {error}");
            return Finding::fail(CHECK, found, mend);
        }
    };
    let connect = config.registry.connect.as_deref().unwrap_or_default();
    let is_remote = connect.split('/').next().unwrap_or_default().split(',').any(|server| {
        !server.starts_with("127.")
            && !server.starts_with("localhost:")
            && !server.starts_with("[::1]")
    });
    if is_remote && found.iter().all(IpAddr::is_loopback) {
        let found = format!("{address} cannot be reached from other machines");
        return Finding::warn(CHECK, found, mend);
    }
    Finding::ok(CHECK, format!("this node advertises {address}"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_in_use_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(listen(address).await.verdict, Verdict::Warn);
        drop(taken);
        assert_eq!(listen(address).await.verdict, Verdict::Ok);
    }

    #[tokio::test]
    async fn a_loopback_address_is_no_address_for_other_machines() {
        let mut config = Config::default();
        config.registry.connect = Some("127.0.0.1:2181,127.0.0.1:2182/a".to_owned());
        assert_eq!(advertise("127.0.0.1:7410", &config).await.verdict, Verdict::Ok);
        config.registry.connect = Some("zk1:2181".to_owned());
        assert_eq!(advertise("127.0.0.1:7410", &config).await.verdict, Verdict::Warn);
        assert_eq!(advertise("10.0.0.5:7410", &config).await.verdict, Verdict::Ok);
    }
}
