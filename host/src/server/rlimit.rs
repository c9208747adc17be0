//! Limit of open file descriptors; each connection uses one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::files_needed;

/// Raises the soft limit to the hard limit, and warns if that is not enough for this many connections.
pub(super) fn raise(connections_max: u32) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            limit.current
        }
    };
    let needed = files_needed(connections_max);
    if let Some(allowed) = current.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            connections_max,
            allowed,
            "the limit of open files is too low for node.connections_max; raise it to {needed} (ulimit -n)"
        );
    }
}
