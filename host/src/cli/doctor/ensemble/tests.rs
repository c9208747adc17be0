//! Findings derived from the replies of servers.

use super::super::Verdict;
use super::*;

const SRVR: &str = "Zookeeper version: 3.9.5-abc, built on 2026-02-01\nZxid: 0x0\nMode: follower\n";
const CONF: &str = "clientPort=2181\ntickTime=1000\nminSessionTimeout=2000\nmaxSessionTimeout=20000\n\
                    initLimit=10\nsyncLimit=2\n";
const MNTR: &str = "zk_version\t3.9.5\nzk_znode_count\t5000\n";
const ENVI: &str = "Environment:\nos.memory.max=981MB\n";
const SIX_SECONDS: Duration = Duration::from_secs(6);

fn server(index: u32, srvr: &str, conf: &str) -> Server {
    Server::read(&format!("zk{index}:2181"), srvr, conf, MNTR, ENVI)
}

fn three(version: &str, conf: &str) -> Vec<Server> {
    (1..=3)
        .map(|index| {
            let mode = if index == 1 { "leader" } else { "follower" };
            let srvr = SRVR.replace("3.9.5", version).replace("follower", mode);
            server(index, &srvr, conf)
        })
        .collect()
}

#[track_caller]
fn expect(finding: &Finding, verdict: Verdict, found: &str) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert!(finding.found.contains(found), "{finding:?}");
    assert_eq!(finding.mend.is_none(), verdict == Verdict::Ok, "{finding:?}");
}

#[test]
fn a_sound_ensemble_has_nothing_to_mend() {
    let servers = three("3.9.5", CONF);
    expect(&reachable(&servers), Verdict::Ok, "3 of 3");
    expect(&together(&servers), Verdict::Ok, "one of them the leader");
    expect(&version(&servers), Verdict::Ok, "3.9.5");
    expect(&timeout(&servers, SIX_SECONDS), Verdict::Ok, "6s");
    expect(&silence(&servers, SIX_SECONDS), Verdict::Ok, "in time");
    expect(&memory(&servers), Verdict::Ok, "5000 znodes");
}

#[test]
fn servers_that_do_not_answer_are_named() {
    let mut servers = three("3.9.5", CONF);
    servers[2] = Server { address: "zk3:2181".to_owned(), ..Server::default() };
    expect(&reachable(&servers), Verdict::Warn, "zk3:2181");
    servers[1] = servers[2].clone();
    expect(&reachable(&servers), Verdict::Fail, "1 of 3");
}

#[test]
fn servers_that_are_no_ensemble_are_a_failure() {
    let alone = SRVR.replace("follower", "standalone");
    let servers: Vec<_> = (1..=2).map(|index| server(index, &alone, CONF)).collect();
    expect(&together(&servers), Verdict::Fail, "do not form one ensemble");
    expect(&together(&servers[..1]), Verdict::Warn, "single server");
    let pair = &three("3.9.5", CONF)[..2];
    expect(&together(pair), Verdict::Warn, "2 servers survive no more");
}

#[test]
fn old_versions_are_named_with_the_reason() {
    for old in ["3.8.0", "3.8.5", "3.9.4", "3.7.2", "3.4.14"] {
        expect(&version(&three(old, CONF)), Verdict::Warn, "reverse DNS");
    }
    for safe in ["3.8.6", "3.8.7", "3.9.5", "3.9.10", "3.10.0", "4.0.0"] {
        expect(&version(&three(safe, CONF)), Verdict::Ok, safe);
    }
}

#[test]
fn a_timeout_that_is_not_granted_is_told() {
    expect(&timeout(&three("3.9.5", CONF), Duration::from_secs(1)), Verdict::Warn, "2s granted");
    expect(&timeout(&three("3.9.5", CONF), Duration::from_mins(1)), Verdict::Warn, "20s granted");
    let mut servers = three("3.9.5", CONF);
    servers[0] =
        server(1, SRVR, &CONF.replace("maxSessionTimeout=20000", "maxSessionTimeout=4000"));
    expect(&timeout(&servers, SIX_SECONDS), Verdict::Fail, "4s or 6s");
}

#[test]
fn ticks_that_are_long_beside_the_timeout_are_told() {
    let slow = CONF.replace("tickTime=1000", "tickTime=2000");
    let finding = timeout(&three("3.9.5", &slow), SIX_SECONDS);
    expect(&finding, Verdict::Fail, "less than four ticks of 2s");
    assert_eq!(finding.mend.as_deref(), Some("tickTime=1500 or less on all servers"));
}

#[test]
fn a_server_that_is_cut_off_must_notice_within_half_a_session() {
    let finding =
        silence(&three("3.9.5", &CONF.replace("syncLimit=2", "syncLimit=5")), SIX_SECONDS);
    expect(&finding, Verdict::Warn, "continues for 5s");
    assert_eq!(finding.mend.as_deref(), Some("syncLimit=2 on all servers, with tickTime=1000"));
    let slow = CONF.replace("tickTime=1000", "tickTime=3000");
    let finding = silence(&three("3.9.5", &slow), SIX_SECONDS);
    assert_eq!(finding.mend.as_deref(), Some("tickTime=1000 and syncLimit=2 on all servers"));
}

#[test]
fn more_znodes_than_the_heap_holds_are_told() {
    let crowded = MNTR.replace("5000", "2000000");
    let servers = [Server::read("zk1:2181", SRVR, CONF, &crowded, ENVI)];
    let finding = memory(&servers);
    expect(&finding, Verdict::Warn, "2000000 znodes in a heap of 981 MB");
    assert!(finding.mend.is_some_and(|mend| mend.contains("-Xmx2000m")));
}

#[test]
fn what_servers_do_not_tell_is_a_warning() {
    let refused = "conf is not executed because it is not in the whitelist.\n";
    let servers = [Server::read("zk1:2181", SRVR, refused, refused, refused)];
    for finding in
        [timeout(&servers, SIX_SECONDS), silence(&servers, SIX_SECONDS), memory(&servers)]
    {
        expect(&finding, Verdict::Warn, "do not report");
        assert!(finding.mend.is_some_and(|mend| mend.contains("4lw.commands.whitelist")));
    }
    assert_eq!(Server::read("a", "", "", "", "").version, None);
    assert_eq!(Server::read("a", "Zookeeper version: 3.x", "", "", "").version, None);
}
