//! ZooKeeper ensemble checks: reachability, versions and settings of the servers, and whether the settings fit the
//! cluster's session timeout.
//!
//! The servers are queried with four-letter words, which are cheap and need no session ([`four_letter_words`]). All
//! findings derive from the replies alone.

mod four_letter_words;

use std::collections::BTreeSet;
use std::time::Duration;

use humantime_serde::re::humantime::format_duration;

use self::four_letter_words::{Server, Version};
use super::finding::Finding;
use crate::config::backends::RegistryConfig;

const SERVERS: &str = "ZooKeeper servers";
/// Lowest versions without the vulnerabilities that [`version`] lists.
const SAFE_VERSIONS: [Version; 2] = [Version([3, 8, 6]), Version([3, 9, 5])];
/// Number of znodes for which a server needs one more MB of heap.
const ZNODES_PER_MB: u64 = 1000;

/// Runs all checks of the ensemble in `registry`.
pub(super) async fn check(registry: &RegistryConfig) -> Vec<Finding> {
    let connect = registry.connect.as_deref().unwrap_or_default();
    if registry.tls_ca.is_some() {
        let found = "their versions and settings cannot be queried over TLS";
        let mend =
            "query them through a port without TLS, and compare them with docs/operations.md";
        return vec![Finding::warn(SERVERS, found, mend)];
    }
    let addresses = connect.split('/').next().unwrap_or_default().split(',');
    let servers = futures_util::future::join_all(addresses.map(four_letter_words::describe)).await;
    let mut findings = vec![reachable(&servers), together(&servers)];
    if servers.iter().any(|server| server.version.is_some()) {
        findings.push(version(&servers));
        findings.push(timeout(&servers, registry.session_timeout));
        findings.push(silence(&servers, registry.session_timeout));
        findings.push(memory(&servers));
    }
    findings
}

/// Checks that a majority of the servers responds.
fn reachable(servers: &[Server]) -> Finding {
    let silent: Vec<_> = servers.iter().filter(|server| server.mode.is_none()).collect();
    let serving = servers.len() - silent.len();
    let found = format!("{serving} of {} are serving", servers.len());
    if silent.is_empty() {
        return Finding::ok(SERVERS, found);
    }
    let whys = silent.iter().map(|server| format!("{}: {}", server.address, server.silence()));
    let found = format!("{found}; {}", whys.collect::<Vec<_>>().join("; "));
    let mend =
        "start them, or list others in registry.connect; 4lw.commands.whitelist must contain srvr";
    if serving * 2 > servers.len() {
        return Finding::warn(SERVERS, found, mend);
    }
    Finding::fail(SERVERS, found, mend)
}

/// Checks that the servers form one ensemble, which survives the loss of a server.
fn together(servers: &[Server]) -> Finding {
    const CHECK: &str = "ZooKeeper ensemble";
    let count =
        |mode: &str| servers.iter().filter(|server| server.mode.as_deref() == Some(mode)).count();
    let (leaders, alone) = (count("leader"), count("standalone"));
    if leaders + alone > 1 {
        let found =
            "the servers do not form one ensemble: several of them are leaders or standalone";
        let mend =
            "list the servers of one ensemble in registry.connect, and all of them in each zoo.cfg";
        return Finding::fail(CHECK, found, mend);
    }
    if servers.len() == 1 {
        let found = "there is only a single server: while it is down, no object can be activated";
        return Finding::warn(CHECK, found, "list all servers in registry.connect; run 3 or 5");
    }
    if servers.len().is_multiple_of(2) {
        let found =
            format!("{} servers survive no more failures than one server fewer", servers.len());
        return Finding::warn(CHECK, found, "run 3 or 5");
    }
    if leaders == 0 {
        let mend = "check the servers' logs, and start those that are down";
        return Finding::warn(CHECK, "none of the responding servers is the leader", mend);
    }
    Finding::ok(CHECK, format!("{} servers, one of them the leader", servers.len()))
}

/// Checks for versions with known vulnerabilities.
fn version(servers: &[Server]) -> Finding {
    const CHECK: &str = "ZooKeeper version";
    let versions: BTreeSet<_> = servers.iter().filter_map(|server| server.version).collect();
    let shown: Vec<_> = versions.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    if versions.iter().all(|version| version.is_safe()) {
        return Finding::ok(CHECK, shown);
    }
    let found = format!(
        "{shown}: before 3.8.6 and 3.9.5, anyone who controls reverse DNS can impersonate a server or \
         a client that uses TLS, and passwords in settings are logged; older versions also let an \
         impostor join a quorum or use the admin server"
    );
    Finding::warn(CHECK, found, "upgrade to 3.8.6, 3.9.5 or newer, one server at a time")
}

impl Version {
    fn is_safe(self) -> bool {
        let line = |version: &Self| (version.0[0], version.0[1]);
        SAFE_VERSIONS
            .iter()
            .find(|safe| line(safe) == line(&self))
            .map_or_else(|| SAFE_VERSIONS.iter().all(|safe| self > *safe), |safe| self >= *safe)
    }
}

/// Checks that the servers grant the requested session timeout, and that their tick is short enough for leases.
fn timeout(servers: &[Server], asked: Duration) -> Finding {
    const CHECK: &str = "session timeout";
    let known: Vec<_> =
        servers.iter().filter_map(|server| Some((server, server.settings?))).collect();
    if known.is_empty() {
        return unseen(CHECK);
    }
    let granted: BTreeSet<_> = known.iter().map(|(_, settings)| settings.granted(asked)).collect();
    let shown = |time: &Duration| format_duration(*time).to_string();
    if granted.len() > 1 {
        let found = format!(
            "requested {}, but the servers grant {}",
            shown(&asked),
            granted.iter().map(shown).collect::<Vec<_>>().join(" or ")
        );
        let mend = "set the same tickTime, minSessionTimeout and maxSessionTimeout on all servers";
        return Finding::fail(CHECK, found, mend);
    }
    let granted = granted.first().copied().unwrap_or(asked);
    if granted != asked {
        let found = format!("requested {}, but {} granted", shown(&asked), shown(&granted));
        let mend = format!(
            "set minSessionTimeout and maxSessionTimeout on the servers so that {} lies between them",
            asked.as_millis()
        );
        return Finding::warn(CHECK, found, mend);
    }
    // A server reports its clients' heartbeats to the leader every half tick. Leases require this within an eighth
    // of the session timeout, so a tick may be a quarter of it at most.
    if let Some((server, settings)) = known.iter().find(|(_, settings)| settings.tick * 4 > granted)
    {
        let (tick, address) = (shown(&settings.tick), &server.address);
        let found = format!(
            "{} is less than four ticks of {tick} ({address}): a node's lease could outlast its session",
            shown(&granted)
        );
        let mend = format!("tickTime={} or less on all servers", granted.as_millis() / 4);
        return Finding::fail(CHECK, found, mend);
    }
    Finding::ok(CHECK, format!("{} requested and granted", shown(&asked)))
}

/// Checks that a follower cut off from its leader notices this before its clients' sessions expire.
fn silence(servers: &[Server], asked: Duration) -> Finding {
    const CHECK: &str = "syncLimit";
    let known: Vec<_> =
        servers.iter().filter_map(|server| Some((server, server.settings?))).collect();
    if known.is_empty() {
        return unseen(CHECK);
    }
    let late = known.iter().find_map(|(server, settings)| {
        let silence = settings.silence()?;
        (silence >= settings.granted(asked) / 2).then_some((server, settings, silence))
    });
    let Some((server, settings, silence)) = late else {
        return Finding::ok(CHECK, "a server that is cut off from its leader notices in time");
    };
    let half = settings.granted(asked) / 2;
    let found = format!(
        "{} continues for {} after it is cut off from its leader, which is at least half of the \
         session timeout; its nodes are frozen during that time",
        server.address,
        format_duration(silence)
    );
    let ticks = half.as_millis().saturating_sub(1) / settings.tick.as_millis().max(1);
    let mend = if ticks >= 1 {
        format!("syncLimit={ticks} on all servers, with tickTime={}", settings.tick.as_millis())
    } else {
        format!("tickTime={} and syncLimit=2 on all servers", half.as_millis() / 3)
    };
    Finding::warn(CHECK, found, mend)
}

/// Checks that the servers' heaps are large enough for their znodes.
fn memory(servers: &[Server]) -> Finding {
    const CHECK: &str = "ZooKeeper memory";
    let known: Vec<_> = servers
        .iter()
        .filter_map(|server| Some((server, server.heap_mb?, server.znode_count?)))
        .collect();
    let Some((server, heap, count)) = known.iter().max_by_key(|(_, heap, count)| {
        count.saturating_mul(1000) / heap.saturating_mul(ZNODES_PER_MB).max(1)
    }) else {
        return unseen(CHECK);
    };
    let found = format!("{count} znodes in a heap of {heap} MB on {}", server.address);
    if *count > heap.saturating_mul(ZNODES_PER_MB) {
        let needed = count.div_ceil(ZNODES_PER_MB);
        return Finding::warn(
            CHECK,
            found,
            format!("set -Xmx{needed}m, or use partitions for registry.claims"),
        );
    }
    Finding::ok(CHECK, found)
}

fn unseen(check: &'static str) -> Finding {
    let found = "the servers do not report their settings";
    let mend = "set 4lw.commands.whitelist=srvr,conf,mntr,envi in zoo.cfg, or compare them with docs/operations.md";
    Finding::warn(check, found, mend)
}

#[cfg(test)]
mod tests;
