//! Following the changes below a znode, across reconnects.
//!
//! What happens while the connection is down is not told by anybody, and the client library forgets watches of this
//! kind when it connects anew. So each connection begins with a new watch and with the word to read everything.

use std::time::Duration;

use zookeeper_client::{AddWatchMode, Client, EventType, PersistentWatcher, SessionState};

use super::failure::Failure;
use super::link::is_terminal;
use super::shared::Shared;

/// Pause before a watch that failed is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What there is to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Everything: changes may have been missed.
    All,
    /// The znode of this path, which was created, changed or removed.
    One(String),
}

/// Calls `see` for every change below `folder`, and once at first, until the session is over.
pub(super) async fn follow(shared: &Shared, folder: &str, see: impl Fn(Change)) {
    loop {
        let watch =
            async |client: Client| client.watch(folder, AddWatchMode::PersistentRecursive).await;
        match shared.link.ask(watch).await {
            Ok(mut watcher) => {
                // Only now: what changes after this is told by the watch.
                see(Change::All);
                tokio::select! {
                    () = shared.link.over() => return,
                    () = changes(&mut watcher, &see) => {}
                }
            }
            Err(Failure::Over) => return,
            Err(failure) => {
                tracing::debug!(node = %shared.node, folder, "no watch yet: {failure:?}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Passes changes on, until the watch cannot be relied on any longer.
async fn changes(watcher: &mut PersistentWatcher, see: &impl Fn(Change)) {
    loop {
        let event = watcher.changed().await;
        match (event.event_type, event.session_state) {
            (EventType::Session, SessionState::SyncConnected) => return,
            (EventType::Session, state) if is_terminal(state) => {
                // To ask once more would be a panic. The session's end is on its way.
                std::future::pending::<()>().await;
            }
            (EventType::Session, _) => {}
            _ => see(Change::One(event.path)),
        }
    }
}
