//! Watches the znodes below a folder, across reconnects.
//!
//! Changes during a disconnection are not reported, and the client library loses persistent watches when it
//! reconnects. Each connection therefore starts with a new watch and a request to read everything.

use std::time::Duration;

use zookeeper_client::{AddWatchMode, Client, EventType, PersistentWatcher, SessionState};

use super::client::is_terminal;
use super::error::Failure;
use super::session::Shared;

/// Pause before a failed watch is set again.
const PAUSE: Duration = Duration::from_millis(100);

/// Part of the folder that may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Any of it: changes may have been missed.
    All,
    /// The znode at this path, which was created, changed or removed.
    One(String),
}

/// Calls `see` once at the start and then for every change below `folder`, until the session ends.
pub(super) async fn follow(shared: &Shared, folder: &str, see: impl Fn(Change)) {
    loop {
        let watch =
            async |client: Client| client.watch(folder, AddWatchMode::PersistentRecursive).await;
        match shared.link.request(watch).await {
            Ok(mut watcher) => {
                // Only after the watch is set: it reports every later change.
                see(Change::All);
                tokio::select! {
                    () = shared.link.over() => return,
                    () = changes(&mut watcher, &see) => {}
                }
            }
            Err(Failure::Over) => return,
            Err(failure) => {
                tracing::debug!(node = %shared.node, folder, "cannot set a watch yet: {failure:?}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Forwards changes until the watch is no longer reliable.
async fn changes(watcher: &mut PersistentWatcher, see: &impl Fn(Change)) {
    loop {
        let event = watcher.changed().await;
        match (event.event_type, event.session_state) {
            (EventType::Session, SessionState::SyncConnected) => return,
            (EventType::Session, state) if is_terminal(state) => {
                // Polling the watcher again would panic. The session is about to end.
                std::future::pending::<()>().await;
            }
            (EventType::Session, _) => {}
            _ => see(Change::One(event.path)),
        }
    }
}
