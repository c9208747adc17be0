//! Admission check in ZooKeeper: the cluster's identity, and the settings that live nodes publish.
//!
//! Settings are compared twice. The check before this node publishes itself spares the others a member that leaves
//! immediately. The check afterwards handles two nodes that start concurrently: the one that was published later
//! sees the other.

use std::sync::Arc;

use futures_util::future::join_all;
use highlander_core::id::NodeId;
use highlander_core::registry::Error;
use highlander_core::registry::agreement::{
    ClusterId, ClusterStore, Difference, Identity, Step, Terms, next_step,
};
use tokio::time::{MissedTickBehavior, interval};
use zookeeper_client::{Client, CreateMode};

use super::client::SessionClient;
use super::description;
use super::error::{Failure, Reason, refused};
use super::members;
use super::session::{LOOK_INTERVAL, Shared};

/// Path of the znode that holds the cluster's identity.
const PATH: &str = "/cluster";
/// Maximum number of attempts while the content changes between two reads.
const ATTEMPTS_MAX: usize = 20;

/// Content of the znode and its version.
type Found = Option<(Identity, i32)>;

/// Ensures that registry and store belong to the same cluster; founds a cluster if neither belongs to one.
pub(super) async fn join(
    link: &SessionClient,
    store: &dyn ClusterStore,
) -> Result<ClusterId, Error> {
    for _ in 0..ATTEMPTS_MAX {
        let found = read(link).await?;
        let identity = found.map(|(identity, _)| identity);
        if let Some(id) = store.joined().filter(|id| identity == Some(Identity::of(*id))) {
            // This process has checked the store before. It may be unreachable now.
            return Ok(id);
        }
        let of_store = store.read().await?;
        if read(link).await? != found {
            continue;
        }
        match next_step(identity, of_store, store.known(), ClusterId::new(rand::random())) {
            Step::Join(id) => {
                store.remember(id);
                return Ok(id);
            }
            Step::WriteRegistry(identity) => write(link, identity, found).await?,
            Step::WriteStore(identity) => store.write(identity).await?,
            Step::Refuse(why) => return Err(Error::Denied(why.to_string())),
        }
    }
    Err(Error::Unavailable(format!("the znode {PATH} changes too often")))
}

/// Ensures that no live node publishes settings that differ from those of `me`.
pub(super) async fn check_terms(
    link: &SessionClient,
    me: &NodeId,
    terms: &Terms,
) -> Result<(), Error> {
    let list = async |client: Client| client.list_children(members::FOLDER).await;
    let names = link.request(list).await.map_err(|failure| refused(members::FOLDER, failure))?;
    let others = names.iter().filter(|name| *name != me.as_str());
    let read = join_all(others.map(|name| async move { (name, read_terms(link, name).await) }));
    for (name, theirs) in read.await {
        let Some(theirs) = theirs? else { continue };
        if let Some(Difference { setting, mine, theirs }) = terms.difference(&theirs) {
            return Err(Error::Denied(format!(
                "{setting} is `{mine}` here, but `{theirs}` on node {name}, and must be the same on all nodes of a \
                 cluster: correct it here, or stop all nodes before you change it. A killed node counts until its \
                 session is over"
            )));
        }
    }
    Ok(())
}

/// Restores the znode when an operator has removed it, until the session ends. Ends the session if the znode names
/// another cluster.
pub(super) async fn keep(shared: &Arc<Shared>) {
    let Some(id) = shared.cluster else { return };
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.link.over() => return,
            _ = looks.tick() => {}
        }
        let kept = match read(&shared.link).await {
            Ok(Some((found, _))) if found == Identity::of(id) => Ok(()),
            Ok(Some(_)) => return shared.end("the registry belongs to another cluster now"),
            Ok(None) => {
                tracing::warn!(node = %shared.node, "the znode {PATH} was removed; creating it again");
                write(&shared.link, Identity::of(id), None).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            tracing::debug!(node = %shared.node, "the znode {PATH}: {error}");
        }
    }
}

async fn read(link: &SessionClient) -> Result<Found, Error> {
    let read = async |client: Client| {
        // Both requests are pipelined. Without the sync, a lagging server could return stale content.
        let synced = client.sync(PATH);
        let found = client.get_data(PATH);
        synced.await?;
        found.await
    };
    match link.request(read).await {
        Ok((bytes, stat)) => {
            let identity = Identity::read(&bytes, &format!("the znode {PATH} in ZooKeeper"))?;
            Ok(Some((identity, stat.version)))
        }
        Err(Failure::Refused(Reason::NoNode)) => Ok(None),
        Err(failure) => Err(refused(PATH, failure)),
    }
}

/// Writes the identity if the znode is unchanged since it was read. If another node was faster, the caller must
/// read again.
async fn write(link: &SessionClient, identity: Identity, found: Found) -> Result<(), Error> {
    let bytes = identity.bytes();
    let options = CreateMode::Persistent.with_acls(link.acls());
    let outcome = match found {
        None => {
            let create =
                async |client: Client| client.create(PATH, &bytes, &options).await.map(drop);
            link.request(create).await
        }
        Some((_, version)) => {
            let set =
                async |client: Client| client.set_data(PATH, &bytes, Some(version)).await.map(drop);
            link.request(set).await
        }
    };
    match outcome {
        Ok(()) | Err(Failure::Refused(_)) => Ok(()),
        Err(failure) => Err(refused(PATH, failure)),
    }
}

/// Returns the settings that a node publishes, if it exists and its description is valid.
async fn read_terms(link: &SessionClient, name: &str) -> Result<Option<Terms>, Error> {
    let path = format!("{}/{name}", members::FOLDER);
    match link.request(async |client: Client| client.get_data(&path).await).await {
        Ok((bytes, _)) => Ok(description::terms(&bytes)),
        Err(Failure::Refused(Reason::NoNode)) => Ok(None),
        Err(failure) => Err(refused(&path, failure)),
    }
}
