//! What the nodes of one cluster must have in common, and whether they do: decisions without I/O.
//!
//! Two things are checked before a node joins. The registry and the store name the same cluster ([`Identity`]): so
//! two clusters can share neither, whichever of their settings is wrong. And the settings by which nodes find out who
//! owns an object are alike on all live nodes ([`Terms`]). Everything else may differ from node to node, so that it
//! can be changed by restarting one after the other: a session timeout counts for its own session alone, and limits
//! for the calls that a node takes.
//!
//! A cluster is founded in three writes: a founding in the registry, the identity in the store, the identity in the
//! registry. Whoever comes in between goes on with them, and a founding that was interrupted is told from another
//! cluster by its random number.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Error;
use super::claims::Granularity;
use crate::id::{Hex, parse_hex};

/// The newest form of an [`Identity`] that is understood.
const FORMAT: u32 = 1;
/// Longest identity that is read.
const BYTES_MAX: usize = 4096;

/// Random bits that name a cluster, or its founding.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId([u8; 16]);

impl ClusterId {
    /// One that nothing else has.
    #[must_use]
    pub fn random() -> Self {
        use rand::RngExt as _;
        Self(rand::rng().random())
    }
}

/// Which cluster a registry, or a store, belongs to. Both hold it in the same form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    format: u32,
    /// The cluster; missing while it is being founded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<ClusterId>,
    /// By which founding it came about; missing where that is not told any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    founding: Option<ClusterId>,
}

impl Identity {
    /// That of a cluster.
    #[must_use]
    pub fn of(id: ClusterId) -> Self {
        Self { format: FORMAT, id: Some(id), founding: None }
    }

    /// That of a cluster which is being founded.
    #[must_use]
    pub fn founding(founding: ClusterId) -> Self {
        Self { format: FORMAT, id: None, founding: Some(founding) }
    }

    /// As it is written.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("numbers and digits are JSON");
        bytes.push(b'\n');
        bytes
    }

    /// As it was read from `place`.
    ///
    /// # Errors
    /// [`Error::Denied`] where it is something else, or of a newer form.
    pub fn read(bytes: &[u8], place: &str) -> Result<Self, Error> {
        let parsed = Some(bytes).filter(|bytes| bytes.len() <= BYTES_MAX);
        let parsed: Option<Self> = parsed.and_then(|bytes| serde_json::from_slice(bytes).ok());
        match parsed {
            Some(identity) if identity.format > FORMAT => Err(Error::Denied(format!(
                "{place} was written by a newer version: run that one here too"
            ))),
            Some(identity) if identity.id.is_some() || identity.founding.is_some() => Ok(identity),
            _ => Err(Error::Denied(format!(
                "{place} does not name a cluster: put its content back, or remove it as \
                 \"Moving a cluster or its records\" of docs/operations.md says"
            ))),
        }
    }
}

/// What is to be done next, before a node may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It may: this is its cluster.
    Join(ClusterId),
    /// Write this into the registry if it is as it was read, and look again.
    WriteRegistry(Identity),
    /// Write this into the store if nothing is there, and look again.
    WriteStore(Identity),
    /// It may not.
    Refuse(Mismatch),
}

/// Why registry and store do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// They name different clusters.
    Differ {
        /// What the registry says.
        registry: ClusterId,
        /// What the store says.
        store: ClusterId,
    },
    /// The store belongs to a cluster of which the registry knows nothing.
    StoreTaken(ClusterId),
    /// The registry belongs to a cluster of which the store knows nothing.
    StoreBlank(ClusterId),
}

/// Decides from what registry and store say, both read at one moment. `known` is the cluster in which this node was
/// with this very registry and this very store; `fresh` is a new random number.
#[must_use]
pub fn next_step(
    registry: Option<Identity>,
    store: Option<Identity>,
    known: Option<ClusterId>,
    fresh: ClusterId,
) -> Step {
    let of_store = store.and_then(|store| store.id);
    let is_known = |id| known == Some(id);
    match (registry, of_store) {
        (None, None) => Step::WriteRegistry(Identity::founding(fresh)),
        // Everything in the registry was lost; who was there puts it back.
        (None, Some(id)) if is_known(id) => Step::WriteRegistry(Identity::of(id)),
        (None, Some(id)) => Step::Refuse(Mismatch::StoreTaken(id)),
        (Some(Identity { id: Some(mine), .. }), None) if is_known(mine) => {
            Step::WriteStore(Identity::of(mine))
        }
        (Some(Identity { id: Some(mine), .. }), None) => Step::Refuse(Mismatch::StoreBlank(mine)),
        (Some(Identity { id: Some(mine), .. }), Some(id)) if mine == id => Step::Join(id),
        (Some(Identity { id: Some(mine), .. }), Some(id)) => {
            Step::Refuse(Mismatch::Differ { registry: mine, store: id })
        }
        (Some(Identity { founding, .. }), None) => {
            Step::WriteStore(Identity { format: FORMAT, id: Some(fresh), founding })
        }
        (Some(Identity { founding, .. }), Some(id)) => {
            let is_this = founding.is_some() && store.and_then(|store| store.founding) == founding;
            match is_this || is_known(id) {
                true => Step::WriteRegistry(Identity::of(id)),
                false => Step::Refuse(Mismatch::StoreTaken(id)),
            }
        }
    }
}

/// The store's part in it, as the registry needs it.
#[async_trait]
pub trait ClusterStore: fmt::Debug + Send + Sync + 'static {
    /// What the store is called in the settings: alike on all nodes.
    fn name(&self) -> &str;

    /// What the store says.
    ///
    /// # Errors
    /// Where it does not answer, or holds something else.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn read(&self) -> Result<Option<Identity>, Error>;

    /// Writes it, unless there is one.
    ///
    /// # Errors
    /// Where the store does not answer or refuses; it may have been written.
    ///
    /// # Cancel safety
    /// As after an error.
    async fn write(&self, identity: Identity) -> Result<(), Error>;

    /// In which cluster this node was, with this registry and this store, in this process or an earlier one.
    fn known(&self) -> Option<ClusterId>;

    /// In which cluster this process was.
    fn joined(&self) -> Option<ClusterId>;

    /// Takes note that this process may join.
    fn remember(&self, id: ClusterId);
}

/// The settings that decide who owns an object, as every node tells them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// `registry.claims`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
    /// `store.bucket` and `store.prefix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<String>,
}

impl Terms {
    /// Those of a node.
    #[must_use]
    pub fn new(claims: Granularity, store: Option<&str>) -> Self {
        Self { claims: Some(claims.to_string()), store: store.map(str::to_owned) }
    }

    /// The first setting that differs from another node's: its name, the value here, the value there.
    #[must_use]
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<(&'static str, &'a str, &'a str)> {
        let pairs = [
            ("registry.claims", &self.claims, &other.claims),
            ("store.bucket with store.prefix", &self.store, &other.store),
        ];
        pairs.into_iter().find_map(|(name, mine, theirs)| {
            let (mine, theirs) = (mine.as_deref()?, theirs.as_deref()?);
            (mine != theirs).then_some((name, mine, theirs))
        })
    }
}

/// What to do about it, for an operator.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let see = "see \"Moving a cluster or its records\" in docs/operations.md";
        match self {
            Self::Differ { registry, store } => write!(
                f,
                "the bucket belongs to cluster {store}, and the ZooKeeper chroot to cluster {registry}: correct \
                 store.* or registry.connect; {see}"
            ),
            Self::StoreTaken(store) => write!(
                f,
                "the bucket belongs to cluster {store}, of which this ZooKeeper chroot knows nothing: another \
                 cluster may be using the bucket. Correct store.* or registry.connect; {see}"
            ),
            Self::StoreBlank(registry) => write!(
                f,
                "the ZooKeeper chroot belongs to cluster {registry}, of which the bucket knows nothing: that \
                 cluster has its records elsewhere. Correct store.* or registry.connect; {see}"
            ),
        }
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ClusterId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse_hex(&text).map(Self).ok_or("not 32 hexadecimal digits")
    }
}

#[cfg(test)]
mod tests;
