//! Notifications about changed types, broadcast through znodes whose content is never read.
//!
//! The znodes hold no state: a type's revisions are in the store, and a node reads all types whenever it may have
//! missed a notification.

use std::sync::Arc;

use highlander_core::id::TypeName;
use highlander_core::registry::{Error, SessionEvent};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use zookeeper_client::{Client, CreateMode};

use super::error::{Failure, Reason};
use super::session::Shared;
use super::watches::{Change, follow};

/// Parent of all type znodes.
pub(super) const FOLDER: &str = "/t";

/// Forwards notifications until the session ends. Returns once the watch is set: a node reads all types when its
/// session begins, and a change between that read and the watch would otherwise go unnoticed.
pub(super) async fn begin(shared: &Arc<Shared>) {
    let (watching, is_watching) = oneshot::channel();
    tokio::spawn(run(Arc::clone(shared), watching));
    // An error means that the session has ended, which its users will notice.
    let _ = is_watching.await;
}

async fn run(shared: Arc<Shared>, watching: oneshot::Sender<()>) {
    let watching = Mutex::new(Some(watching));
    follow(&shared, FOLDER, |change| match change {
        Change::All => match watching.lock().take() {
            Some(watching) => drop(watching.send(())),
            None => shared.notices.push(SessionEvent::TypesUncertain),
        },
        Change::One(path) => {
            let name = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
            // Ignore the folder itself and names that are not valid types.
            if let Some(Ok(type_name)) = name.map(TypeName::new) {
                shared.notices.push(SessionEvent::TypeChanged(type_name));
            }
        }
    })
    .await;
}

/// Notifies all nodes about a type.
pub(super) async fn announce(shared: &Shared, type_name: &TypeName) -> Result<(), Error> {
    let path = format!("{FOLDER}/{type_name}");
    let rewrite = async |client: Client| {
        client.set_data(&path, shared.node.as_str().as_bytes(), None).await.map(drop)
    };
    match shared.link.request(rewrite).await {
        Err(Failure::Refused(Reason::NoNode)) => {}
        outcome => return Ok(outcome?),
    }
    let options = CreateMode::Persistent.with_acls(shared.link.acls());
    let create = async |client: Client| {
        client.create(&path, shared.node.as_str().as_bytes(), &options).await.map(drop)
    };
    let made = match shared.link.request(create).await {
        Err(Failure::Refused(Reason::NoNode)) => {
            // The folder was removed. The nodes' watches survive and cover the new folder.
            let make = async |client: Client| client.mkdir(FOLDER, &options).await;
            shared.link.request(make).await?;
            shared.link.request(create).await
        }
        made => made,
    };
    match made {
        // Another node created it first, possibly before the change that this notification announces.
        Err(Failure::Refused(Reason::NodeExists)) => Ok(shared.link.request(rewrite).await?),
        outcome => Ok(outcome?),
    }
}
