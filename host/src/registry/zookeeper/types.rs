//! The word that a type is to be looked at again, passed to all nodes by a znode that nobody reads.
//!
//! Nothing is kept there: a type's revisions are in the store, and a node looks at all types whenever it may have
//! missed a word.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use zookeeper_client::{Client, CreateMode};

use super::failure::{Failure, Reason};
use super::follow::{Change, follow};
use super::shared::Shared;
use crate::id::TypeName;
use crate::registry::{Error, Notice};

/// Parent of all types' znodes.
pub(super) const FOLDER: &str = "/t";

/// Begins to pass words on, until the session is over. Returns when none is missed any more: a node reads types anew
/// when its session begins, and what changed before the watch was there would be missed by both.
pub(super) async fn begin(shared: &Arc<Shared>) {
    let (watching, is_watching) = oneshot::channel();
    tokio::spawn(run(Arc::clone(shared), watching));
    // An error is the end of the session, which whoever uses it will find.
    let _ = is_watching.await;
}

async fn run(shared: Arc<Shared>, watching: oneshot::Sender<()>) {
    let watching = Mutex::new(Some(watching));
    follow(&shared, FOLDER, |change| match change {
        Change::All => match watching.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(watching) => drop(watching.send(())),
            None => shared.notices.push(Notice::TypesUncertain),
        },
        Change::One(path) => {
            let name = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
            // Of the folder itself, or of what is no type's: nothing to look at.
            if let Some(Ok(type_name)) = name.map(TypeName::new) {
                shared.notices.push(Notice::TypeChanged(type_name));
            }
        }
    })
    .await;
}

/// Gives the word.
pub(super) async fn announce(shared: &Shared, type_name: &TypeName) -> Result<(), Error> {
    let path = format!("{FOLDER}/{type_name}");
    let rewrite = async |client: Client| {
        client.set_data(&path, shared.node.as_str().as_bytes(), None).await.map(drop)
    };
    match shared.link.ask(rewrite).await {
        Err(Failure::Refused(Reason::NoNode)) => {}
        outcome => return Ok(outcome?),
    }
    let options = CreateMode::Persistent.with_acls(shared.link.acls());
    let create = async |client: Client| {
        client.create(&path, shared.node.as_str().as_bytes(), &options).await.map(drop)
    };
    let made = match shared.link.ask(create).await {
        Err(Failure::Refused(Reason::NoNode)) => {
            // Somebody removed the folder. The watches of all nodes stay, with what is made there again.
            let make = async |client: Client| client.mkdir(FOLDER, &options).await;
            shared.link.ask(make).await?;
            shared.link.ask(create).await
        }
        made => made,
    };
    match made {
        // Another node was first, and might have been so before what this word is about.
        Err(Failure::Refused(Reason::NodeExists)) => Ok(shared.link.ask(rewrite).await?),
        outcome => Ok(outcome?),
    }
}
