//! Membership: each node publishes its description in an ephemeral znode.
//!
//! After a change, all descriptions are read again, with a short delay that batches further changes: nodes join
//! and leave rarely, but often together. Invalid descriptions are omitted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use highlander_core::id::NodeId;
use highlander_core::registry::Error;
use highlander_core::registry::members::{Member, Members, NodeStatus};
use highlander_system::clock;
use tokio::sync::Notify;
use zookeeper_client::{Client, CreateMode};

use super::description::member;
use super::error::{Failure, Reason};
use super::session::Shared;
use super::watches::follow;

/// Parent of all node znodes.
pub(super) const FOLDER: &str = "/n";
/// Time to wait for further changes.
const GATHERING: Duration = Duration::from_millis(20);
/// Pause before a failed read is retried.
const PAUSE: Duration = Duration::from_millis(200);
/// Returns the path of the znode of `node`.
pub(super) fn path(node: &NodeId) -> String {
    format!("{FOLDER}/{node}")
}

/// Reads the members, then keeps them current until the session ends.
pub(super) async fn begin(shared: &Arc<Shared>) -> Result<(), Error> {
    refresh(shared).await?;
    tokio::spawn(run(Arc::clone(shared)));
    Ok(())
}

async fn run(shared: Arc<Shared>) {
    let changed = Notify::new();
    tokio::join!(follow(&shared, FOLDER, |_| changed.notify_one()), keep_fresh(&shared, &changed));
}

async fn keep_fresh(shared: &Shared, changed: &Notify) {
    loop {
        tokio::select! {
            () = shared.link.over() => return,
            () = changed.notified() => {}
        }
        tokio::time::sleep(GATHERING).await;
        while let Err(failure) = refresh(shared).await {
            if failure == Failure::Over {
                return;
            }
            tracing::debug!(node = %shared.node, "cannot read the members: {failure:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Returns the members after a new write of this session. The server that answers the write has applied everything
/// committed before it. A watch or a plain read may lag as far behind as the server.
pub(super) async fn confirm(shared: &Shared) -> Result<Members, Error> {
    let written = shared.written_since(clock::now());
    match tokio::time::timeout(shared.link.limit(), written).await {
        Ok(written) => written?,
        Err(_) => return Err(Error::Unavailable("no write was acknowledged in time".to_owned())),
    }
    Ok(read_all(shared).await?)
}

async fn refresh(shared: &Shared) -> Result<(), Failure> {
    let members = read_all(shared).await?;
    shared.members.send_if_modified(|present| {
        let is_new = *present != members;
        *present = members;
        is_new
    });
    Ok(())
}

async fn read_all(shared: &Shared) -> Result<Members, Failure> {
    let list = async |client: Client| client.list_children(FOLDER).await;
    let names = match shared.link.request(list).await {
        // The descriptions were removed with their folder, including this node's.
        Err(Failure::Refused(Reason::NoNode)) => Vec::new(),
        outcome => outcome?,
    };
    if !names.iter().any(|name| name == shared.node.as_str()) {
        // Other nodes treat this node as dead, so it must stop.
        shared.end("its description is gone");
        return Err(Failure::Over);
    }
    let read = join_all(names.iter().map(|name| read(shared, name))).await;
    let members: Vec<_> = read.into_iter().collect::<Result<_, _>>()?;
    Ok(Members::new(members.into_iter().flatten().collect()))
}

/// Reads the description of the node with this name; `None` if it is missing or invalid.
async fn read(shared: &Shared, name: &str) -> Result<Option<Member>, Failure> {
    let path = format!("{FOLDER}/{name}");
    let get = async |client: Client| client.get_data(&path).await;
    match shared.link.request(get).await {
        Ok((bytes, _)) => Ok(member(name, &bytes)),
        Err(Failure::Refused(Reason::NoNode)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Publishes this node's status to all nodes.
pub(super) async fn set_status(shared: &Shared, status: NodeStatus) -> Result<(), Error> {
    shared.description.set_status(status);
    let path = path(&shared.node);
    // The description is encoded when the request is sent, so that of two concurrent calls the later one wins.
    let rewrite =
        async |client: Client| client.set_data(&path, &shared.description.bytes(), None).await;
    shared.link.request(rewrite).await?;
    Ok(())
}

/// Publishes the description to the other nodes.
pub(super) async fn publish(shared: &Shared) -> Result<(), Failure> {
    let (path, bytes) = (path(&shared.node), shared.description.bytes());
    let options = CreateMode::Ephemeral.with_acls(shared.link.acls());
    let create = async |client: Client| client.create(&path, &bytes, &options).await.map(drop);
    shared.link.request(create).await
}
