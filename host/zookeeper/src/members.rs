//! Membership: each node publishes its description in an ephemeral znode.
//!
//! After a change, all descriptions are read again, with a short delay that batches further changes: nodes join
//! and leave rarely, but often together. Invalid descriptions are omitted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use highlander_core::id::NodeId;
use highlander_core::registry::Error;
use highlander_core::registry::agreement::Terms;
use highlander_core::registry::members::{Member, Members, NodeStatus, PROTOCOL};
use highlander_system::clock;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;
use zookeeper_client::{Client, CreateMode};

use super::error::{Failure, Reason};
use super::session::Shared;
use super::watches::follow;

/// Parent of all node znodes.
pub(super) const FOLDER: &str = "/n";
/// Time to wait for further changes.
const GATHERING: Duration = Duration::from_millis(20);
/// Pause before a failed read is retried.
const PAUSE: Duration = Duration::from_millis(200);
/// Maximum accepted length of a description.
const BYTES_MAX: usize = 4096;

/// Description that a node publishes.
#[derive(Debug)]
pub(super) struct Description {
    member: Mutex<Member>,
    terms: Terms,
}

/// Serialized form of a description.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    member: &'a Member,
    #[serde(flatten)]
    terms: &'a Terms,
}

impl Description {
    /// Creates the description of a node that accepts objects.
    pub(super) fn new(node: NodeId, address: &str, terms: Terms) -> Self {
        let address = address.into();
        let member = Member { node, address, protocol: PROTOCOL, status: NodeStatus::Ready };
        Self { member: Mutex::new(member), terms }
    }

    /// Encodes the description as the content of its znode.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let member = self.member.lock();
        let written = Written { member: &member, terms: &self.terms };
        serde_json::to_vec(&written).expect("names and numbers can be encoded as JSON")
    }

    fn set_status(&self, status: NodeStatus) {
        self.member.lock().status = status;
    }
}

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
        Ok((bytes, _)) => Ok(understand(name, &bytes)),
        Err(Failure::Refused(Reason::NoNode)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn understand(name: &str, bytes: &[u8]) -> Option<Member> {
    let bytes = Some(bytes).filter(|bytes| bytes.len() <= BYTES_MAX)?;
    let member: Option<Member> = serde_json::from_slice(bytes).ok();
    let member = member.filter(|member| member.node.as_str() == name);
    if member.is_none() {
        tracing::warn!(name, "the description of a node is not valid; ignoring it");
    }
    member
}

/// Returns the settings in a description, if it is valid.
pub(super) fn terms(bytes: &[u8]) -> Option<Terms> {
    let bytes = Some(bytes).filter(|bytes| bytes.len() <= BYTES_MAX)?;
    serde_json::from_slice(bytes).ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_core::registry::claims::Granularity;

    fn description(address: &str) -> Description {
        let terms = Terms::new(Granularity::Partitions(8), Some("objects/prod"));
        Description::new(NodeId::new("a-1"), address, terms)
    }

    #[test]
    fn a_description_reads_back() {
        let description = description("10.0.0.1:4400");
        description.set_status(NodeStatus::Draining);
        let member = understand("a-1", &description.bytes()).unwrap();
        assert_eq!((&*member.address, member.status), ("10.0.0.1:4400", NodeStatus::Draining));
        assert_eq!(terms(&description.bytes()).as_ref(), Some(&description.terms));
        let text = String::from_utf8(description.bytes()).unwrap();
        let told = r#""claims":"partitions = 8","store":"objects/prod""#;
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn what_is_not_a_nodes_own_description_is_left_out() {
        let bytes = description("x").bytes();
        assert_eq!(understand("b-1", &bytes), None, "it describes another node");
        assert_eq!(understand("a-1", b"{}"), None);
        assert_eq!(understand("a-1", b""), None);
        let mut long = bytes;
        long.resize(BYTES_MAX + 1, b' ');
        assert_eq!(understand("a-1", &long), None);
    }
}
