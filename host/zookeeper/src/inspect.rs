//! Diagnosis of a cluster's ZooKeeper without joining the cluster: granted timeout, write latency, and
//! permissions.
//!
//! No node is published and nothing remains: the single znode that is written ends with the session at the latest.

use std::time::Duration;

use highlander_core::id::Hex;
use highlander_core::registry::Error;
use highlander_system::clock;
use rand::RngExt as _;
use zookeeper_client::{Acls, Client, CreateMode, Permission};

use super::claims::znode;
use super::client::SessionClient;
use super::connection::{connect, split};
use super::error::{Failure, Reason};
use super::options::Options;

/// Result of a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Session timeout that the servers granted.
    pub granted: Duration,
    /// Time until the session was established.
    pub connected_after: Duration,
    /// Latency of a write confirmed by a majority of the servers; `None` if the chroot does not exist yet.
    pub written_after: Option<Duration>,
    /// Whether the chroot exists; the first node creates it.
    pub has_chroot: bool,
    /// Whether anyone who can reach the servers may remove claims.
    pub is_open: bool,
}

/// Opens a session as a node would, runs the diagnosis, and ends the session.
///
/// # Errors
/// The errors of opening a node's session.
///
/// # Cancel safety
/// If the future is dropped, the session ends automatically.
pub async fn inspect(options: &Options) -> Result<Inspection, Error> {
    let (servers, chroot) = split(&options.connect);
    let begun = clock::now();
    let client = connect(options, servers).await?;
    let connected_after = clock::now().since(begun);
    let acls = match &options.credentials {
        Some(_) => Acls::creator_all(),
        None => Acls::anyone_all(),
    };
    let link = SessionClient::new(client, acls);
    let found = look(&link, chroot).await;
    link.close();
    link.closed().await;
    let Found { written_after, has_chroot, is_open } = found?;
    let granted = link.timeout();
    Ok(Inspection { granted, connected_after, written_after, has_chroot, is_open })
}

/// Part of an [`Inspection`] that needs the chroot.
#[derive(Default)]
struct Found {
    written_after: Option<Duration>,
    has_chroot: bool,
    is_open: bool,
}

async fn look(link: &SessionClient, chroot: &str) -> Result<Found, Error> {
    let root = if chroot.is_empty() { "/" } else { chroot };
    let Some(root_is_open) = is_open(link, root).await? else {
        return Ok(Found::default());
    };
    let claims = format!("{chroot}{}", znode::FOLDER);
    // Deleting a claim requires the delete permission on the folder that contains it.
    let is_open = is_open(link, &claims).await?.unwrap_or(root_is_open);
    let digits: [u8; 8] = rand::rng().random();
    let path = format!("{chroot}/doctor-{}", Hex(&digits));
    let options = CreateMode::Ephemeral.with_acls(link.acls());
    let before = clock::now();
    let create = async |client: Client| client.create(&path, b"", &options).await.map(drop);
    link.request(create).await.map_err(|failure| denied(&path, failure))?;
    let written_after = clock::now().since(before);
    // If the deletion fails, the znode ends with the session.
    let _ = link.request(async |client: Client| client.delete(&path, None).await).await;
    Ok(Found { written_after: Some(written_after), has_chroot: true, is_open })
}

/// Returns whether everybody may delete the children of a znode; `None` if the znode does not exist.
async fn is_open(link: &SessionClient, path: &str) -> Result<Option<bool>, Error> {
    let look = async |client: Client| client.get_acl(path).await;
    match link.request(look).await {
        Ok((acls, _)) => Ok(Some(
            acls.iter()
                .any(|acl| acl.scheme() == "world" && acl.permission().has(Permission::DELETE)),
        )),
        Err(Failure::Refused(Reason::NoNode)) => Ok(None),
        Err(failure) => Err(denied(path, failure)),
    }
}

fn denied(path: &str, failure: Failure) -> Error {
    match failure {
        Failure::Denied(why) => Error::Denied(format!("the znode {path} in ZooKeeper: {why}")),
        other => other.into(),
    }
}
