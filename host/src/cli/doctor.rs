//! The `doctor` command: checks everything that a node needs, and suggests how to fix problems.
//!
//! It leaves nothing behind except the probe blob that every node start also writes to the store. A check that
//! cannot be carried out results in a warning, not a failure.

mod access;
#[cfg(feature = "s3")]
mod bucket;
mod disk;
mod ensemble;
mod finding;
mod machine;
mod network;
#[cfg(feature = "zookeeper")]
mod session;
mod tools;

use std::path::PathBuf;

use clap::Args;

use self::finding::{Finding, Verdict};
use super::client::Client;
use super::failure::Failure;
use super::output;
use crate::config::backends::{RegistryKind, StoreKind};

/// `highlander doctor`
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Configuration file of the node to check [default: that of `highlander dev`]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Doctor {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let config = super::node::load(self.config.as_deref())?;
        let mut findings = vec![match config.check_exposure() {
            Ok(()) => Finding::ok("configuration", "valid"),
            Err(error) => {
                let mend = error.hint.unwrap_or_default();
                Finding::fail("configuration", error.message, mend)
            }
        }];
        findings.extend(access::check(&config));
        findings.extend(disk::check(&config.data_dir, config.store.kind).await);
        if config.registry.kind == RegistryKind::ZooKeeper {
            findings.extend(ensemble::check(&config.registry).await);
            #[cfg(feature = "zookeeper")]
            findings.extend(session::check(&config).await);
            #[cfg(not(feature = "zookeeper"))]
            findings.push(Finding::left_out("ZooKeeper session", "zookeeper"));
        }
        if config.store.kind == StoreKind::S3 {
            #[cfg(feature = "s3")]
            findings.extend(bucket::check(&config).await);
            #[cfg(not(feature = "s3"))]
            findings.push(Finding::left_out("bucket", "s3"));
        }
        findings.extend(network::check(&config).await);
        findings.push(machine::mappings(config.resident_max));
        findings.push(machine::memory(&config));
        findings.push(machine::open_files(config.connections_max));
        findings.push(machine::address_space());
        findings.push(machine::clock());
        findings.push(machine::wall_clock());
        findings.push(tools::wasm_target());
        findings.push(tools::node(client).await);
        report(&findings, client.is_json)
    }
}

fn report(findings: &[Finding], is_json: bool) -> Result<(), Failure> {
    if is_json {
        for finding in findings {
            output::value(finding)?;
        }
    } else {
        for finding in findings {
            let verdict = format!("{:?}", finding.verdict).to_lowercase();
            output::line(&format!("{verdict:<5} {}: {}", finding.check, finding.found))?;
            if let Some(mend) = &finding.mend {
                output::line(&format!("      fix: {mend}"))?;
            }
        }
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        1 => Err(Failure::environment("one check failed")),
        count => Err(Failure::environment(format!("{count} checks failed"))),
    }
}
