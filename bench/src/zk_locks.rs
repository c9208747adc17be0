//! Three ways to take a lock in ZooKeeper, each over one session: our claim, the textbook recipe, and the minimum.
//!
//! The recipe creates a parent for each lock and an ephemeral sequential child below it, and then lists the
//! children to determine the first. A new lock costs three operations, and its parent remains.

use anyhow::{Result, ensure};
use highlander_core::id::{NodeId, ObjectId};
use highlander_core::registry::claims::Granularity;
use highlander_core::registry::{Claimed, Registry as _};
use highlander_services::zookeeper::Ensemble;
use highlander_zookeeper::Session;
use zookeeper_client::{Acls, Client, CreateMode, Error};

use crate::fixtures::{self, CHROOT, SESSION_TIMEOUT};

/// Holder of a lock of the recipe or of the baseline, stored in its znode.
const HOLDER: &[u8] = b"bench-00000000";
const RECIPE_FOLDER: &str = "/recipe";
const BARE_FOLDER: &str = "/bare";

/// Way to take a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Through the registry's adapter, as a node does.
    Claim,
    /// By the recipe.
    Recipe,
    /// A single ephemeral znode: the baseline.
    Bare,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Claim, Self::Recipe, Self::Bare];

    /// Returns the name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Recipe => "recipe",
            Self::Bare => "bare create",
        }
    }
}

/// Session that takes locks in one way.
#[derive(Debug)]
pub(crate) enum Locker {
    Claim(Session),
    Recipe(Client),
    Bare(Client),
}

/// Lock that is held.
#[derive(Debug)]
pub(crate) enum Lock {
    Claim(ObjectId),
    Znode(String),
}

impl Locker {
    /// Opens a session with these servers.
    pub(crate) async fn open(way: Way, ensemble: &Ensemble) -> Result<Self> {
        if way == Way::Claim {
            let sessions = fixtures::sessions(ensemble, "bench", Granularity::Object);
            let node = NodeId::of_session("bench", [0; 4]);
            return Ok(Self::Claim(sessions.begin_as(node).await?));
        }
        let folder = if way == Way::Recipe { RECIPE_FOLDER } else { BARE_FOLDER };
        let client = client(ensemble).await?;
        client.mkdir(folder, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await?;
        Ok(if way == Way::Recipe { Self::Recipe(client) } else { Self::Bare(client) })
    }

    /// Takes the lock of this number, which no other client takes.
    pub(crate) async fn take(&self, number: u64) -> Result<Lock> {
        match self {
            Self::Claim(session) => {
                let id = fixtures::counter(&format!("lock-{number:016x}"))?;
                let claimed = session.claim(&id).await?;
                ensure!(claimed == Claimed::Granted, "{id} is held by another session");
                Ok(Lock::Claim(id))
            }
            Self::Recipe(client) => Ok(Lock::Znode(by_recipe(client, number).await?)),
            Self::Bare(client) => {
                let path = format!("{BARE_FOLDER}/{number:032x}");
                client
                    .create(&path, HOLDER, &CreateMode::Ephemeral.with_acls(Acls::anyone_all()))
                    .await?;
                Ok(Lock::Znode(path))
            }
        }
    }

    /// Releases a lock.
    pub(crate) async fn give_back(&self, lock: &Lock) -> Result<()> {
        match (self, lock) {
            (Self::Claim(session), Lock::Claim(id)) => Ok(session.release(id).await?),
            (Self::Recipe(client) | Self::Bare(client), Lock::Znode(path)) => {
                Ok(client.delete(path, None).await?)
            }
            _ => anyhow::bail!("this lock was not taken with this kind of locker"),
        }
    }
}

/// Opens a client with a separate session, in the benchmarks' chroot.
pub(crate) async fn client(ensemble: &Ensemble) -> Result<Client> {
    let connector = Client::connector().with_session_timeout(SESSION_TIMEOUT);
    let client = connector.connect(&ensemble.connect_string()).await?;
    client.mkdir(CHROOT, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await?;
    client.chroot(CHROOT).map_err(|_| anyhow::anyhow!("{CHROOT} is not a valid chroot"))
}

async fn by_recipe(client: &Client, number: u64) -> Result<String> {
    let parent = format!("{RECIPE_FOLDER}/{number:032x}");
    let made =
        client.create(&parent, b"", &CreateMode::Persistent.with_acls(Acls::anyone_all())).await;
    ensure!(matches!(made, Ok(_) | Err(Error::NodeExists)), "the parent was not created: {made:?}");
    let options = CreateMode::EphemeralSequential.with_acls(Acls::anyone_all());
    let prefix = format!("{parent}/{number:032x}-");
    let (_, sequence) = client.create(&prefix, HOLDER, &options).await?;
    let children = client.list_children(&parent).await?;
    let first = children.iter().filter_map(|child| child.rsplit_once('-')).map(|(_, place)| place);
    let mine = sequence.to_string();
    ensure!(first.min() == Some(mine.as_str()), "the lock {number} is held by another session");
    Ok(format!("{prefix}{mine}"))
}
