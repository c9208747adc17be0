//! ZooKeeper session checks: opens a session as a node would, measures its latency, and checks access to the
//! znodes that nodes rely on.
//!
//! The session registers no node.

use std::time::Duration;

use highlander_core::registry::Error;
use highlander_zookeeper::inspect::{Inspection, inspect};
use humantime_serde::re::humantime::format_duration;

use super::finding::Finding;
use crate::config::Config;

const CHECK: &str = "ZooKeeper session";
/// Divisor of the session timeout that yields the write latency above which the check warns. Heartbeats are
/// written every sixth of the timeout; a write that takes half of that is too often late.
const WRITE_PARTS: u32 = 12;

/// Runs all checks of a session for the node in `config`.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let options = match config.zookeeper_options(&config.advertised(config.listen)) {
        Ok(options) => options,
        Err(error) => {
            let mend = error.hint.unwrap_or_else(|| "see docs/configuration.md".to_owned());
            return vec![Finding::fail("ZooKeeper credentials", error.message, mend)];
        }
    };
    let has_credentials = options.credentials.is_some();
    match inspect(&options).await {
        Ok(found) => {
            vec![session(&found, config.registry.session_timeout), access(&found, has_credentials)]
        }
        Err(error @ Error::Denied(_)) => {
            let mend = "see registry.connect, registry.credentials_file and registry.tls_* in docs/configuration.md";
            vec![Finding::fail(CHECK, error.to_string(), mend)]
        }
        Err(error) => {
            vec![Finding::fail(
                CHECK,
                error.to_string(),
                "start the servers, and check the network",
            )]
        }
    }
}

fn session(found: &Inspection, asked: Duration) -> Finding {
    let millis = |time: Duration| time.as_millis();
    let begun = format!("established in {} ms", millis(found.connected_after));
    if found.granted != asked {
        let (asked, granted) = (format_duration(asked), format_duration(found.granted));
        let text = format!("{begun}; requested a timeout of {asked}, but {granted} granted");
        let mend = "adjust minSessionTimeout and maxSessionTimeout on the servers, or registry.session_timeout";
        return Finding::warn(CHECK, text, mend);
    }
    let Some(written) = found.written_after else { return Finding::ok(CHECK, begun) };
    let text = format!("{begun}; a write takes {} ms", millis(written));
    if written > found.granted / WRITE_PARTS {
        let mend =
            "put dataLogDir of each server on a separate disk, or raise registry.session_timeout";
        return Finding::warn(CHECK, text, mend);
    }
    Finding::ok(CHECK, text)
}

fn access(found: &Inspection, has_credentials: bool) -> Finding {
    const CHECK: &str = "ZooKeeper access";
    if has_credentials && !found.is_open {
        return Finding::ok(CHECK, "only the nodes can change the znodes that they rely on");
    }
    if has_credentials {
        let text = "the chroot was created without credentials, so anyone who can reach the servers \
                    can remove claims";
        return Finding::warn(CHECK, text, "switch all nodes to a new chroot at the same time");
    }
    let text = "there are no credentials: anyone who can reach the servers can remove claims, and \
                end the activations of any node";
    let mend = "set registry.credentials_file on all nodes, together with a new chroot; or make \
                the servers unreachable for others";
    Finding::warn(CHECK, text, mend)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    const ASKED: Duration = Duration::from_secs(6);

    fn found() -> Inspection {
        Inspection {
            granted: ASKED,
            connected_after: Duration::from_millis(5),
            written_after: Some(Duration::from_millis(3)),
            has_chroot: true,
            is_open: false,
        }
    }

    #[test]
    fn a_quick_session_is_sound() {
        assert_eq!(session(&found(), ASKED).verdict, Verdict::Ok);
        assert_eq!(
            session(&Inspection { written_after: None, ..found() }, ASKED).verdict,
            Verdict::Ok
        );
    }

    #[test]
    fn slow_writes_and_other_timeouts_are_told() {
        let slow = Inspection { written_after: Some(Duration::from_millis(600)), ..found() };
        assert!(session(&slow, ASKED).found.contains("a write takes 600 ms"));
        assert_eq!(session(&slow, ASKED).verdict, Verdict::Warn);
        let finding = session(&found(), Duration::from_secs(2));
        assert!(finding.found.contains("a timeout of 2s, but 6s granted"), "{finding:?}");
    }

    #[test]
    fn claims_that_everybody_may_remove_are_told() {
        assert_eq!(access(&found(), true).verdict, Verdict::Ok);
        assert_eq!(access(&found(), false).verdict, Verdict::Warn);
        assert_eq!(access(&Inspection { is_open: true, ..found() }, true).verdict, Verdict::Warn);
    }
}
