//! Heartbeats: the writes that prove that a session is alive.
//!
//! Each heartbeat rewrites a separate znode that has no watchers. If it rewrote the node's description, every
//! heartbeat of every node would wake all other nodes. A slow answer does not delay later heartbeats.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use highlander_core::id::NodeId;
use highlander_system::clock;
use tokio::time::{MissedTickBehavior, interval};
use zookeeper_client::{Client, CreateMode};

use super::error::{Failure, Reason};
use super::lease::BEATS_PER_TIMEOUT;
use super::session::Shared;

/// Parent of all heartbeat znodes.
pub(super) const FOLDER: &str = "/h";
/// Maximum number of unanswered heartbeats. Those older than the session timeout are abandoned.
const UNDER_WAY_MAX: usize = 2 * BEATS_PER_TIMEOUT as usize;

/// Returns the path of the znode that heartbeats of `node` rewrite.
pub(super) fn path(node: &NodeId) -> String {
    format!("{FOLDER}/{node}")
}

/// Creates the znode that heartbeats rewrite.
pub(super) async fn begin(shared: &Shared) -> Result<(), Failure> {
    let (path, options) = (path(&shared.node), CreateMode::Ephemeral.with_acls(shared.link.acls()));
    let create = async |client: Client| client.create(&path, b"", &options).await.map(drop);
    shared.link.request(create).await
}

/// Sends heartbeats until the session ends.
pub(super) async fn run(shared: Arc<Shared>) {
    let path = path(&shared.node);
    let mut beats = interval(shared.link.timeout() / BEATS_PER_TIMEOUT);
    // After a pause, a single heartbeat is worth as much as all that were missed.
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = shared.link.over() => return,
            Some(()) = under_way.next() => continue,
            _ = beats.tick() => {}
            () = shared.beat.notified() => {}
        }
        if under_way.len() < UNDER_WAY_MAX {
            under_way.push(heartbeat_now(&shared, &path));
        }
    }
}

async fn heartbeat_now(shared: &Shared, path: &str) {
    // Taken before the request is queued, because it may wait for a connection.
    let sent = clock::now();
    let rewrite = async |client: Client| client.set_data(path, b"", None).await;
    match shared.link.request_with_timeout(shared.link.timeout(), rewrite).await {
        Ok(stat) if stat.ephemeral_owner == shared.link.session_id() => shared.acknowledge(sent),
        Ok(_) => shared.end("its znode belongs to another session"),
        Err(Failure::Refused(Reason::NoNode)) => shared.end("its znode is gone"),
        Err(Failure::Over | Failure::Refused(_)) => {}
        Err(Failure::Unknown(why) | Failure::Denied(why)) => {
            tracing::debug!(node = %shared.node, "no response to a heartbeat: {why}");
        }
    }
}
