//! Admission check of a node that joins a cluster, and the founding of clusters: decisions without I/O.
//!
//! A node joins only after two checks. The registry and the store must name the same cluster ([`Identity`]), so
//! two clusters can share neither, whichever setting is wrong. The settings by which nodes locate an object's
//! owner must be equal on all live nodes ([`Terms`]). Everything else may differ between nodes and can be changed
//! by a rolling restart: a session timeout applies to its own session only, and limits apply to the calls that a
//! node handles.
//!
//! A cluster is founded by three writes: a founding in the registry, the identity in the store, and the identity
//! in the registry. A node that starts in between continues with the remaining writes. The founding's random
//! number distinguishes an interrupted founding from another cluster.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Error;
use super::claims::Granularity;
use crate::id::{Hex, parse_hex};

/// Newest supported format of an [`Identity`].
const FORMAT: u32 = 1;
/// Maximum accepted length of an encoded identity.
const BYTES_MAX: usize = 4096;

/// Random identifier of a cluster, or of its founding.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId([u8; 16]);

impl ClusterId {
    /// Returns the identifier of these random bits.
    #[must_use]
    pub const fn new(bits: [u8; 16]) -> Self {
        Self(bits)
    }
}

/// Cluster to which a registry or a store belongs. Both hold it in the same format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    format: u32,
    /// The cluster; absent while it is being founded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<ClusterId>,
    /// Founding that created the cluster; absent if it is no longer recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    founding: Option<ClusterId>,
}

impl Identity {
    /// Returns the identity of an existing cluster.
    #[must_use]
    pub fn of(id: ClusterId) -> Self {
        Self { format: FORMAT, id: Some(id), founding: None }
    }

    /// Returns the identity of a cluster that is being founded.
    #[must_use]
    pub fn founding(founding: ClusterId) -> Self {
        Self { format: FORMAT, id: None, founding: Some(founding) }
    }

    /// Encodes the identity.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes =
            serde_json::to_vec(self).expect("numbers and digits can be encoded as JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Decodes the identity that was read from `place`.
    ///
    /// # Errors
    /// [`Error::Denied`] if the content is not an identity, or has a newer format.
    pub fn read(bytes: &[u8], place: &str) -> Result<Self, Error> {
        let parsed = Some(bytes).filter(|bytes| bytes.len() <= BYTES_MAX);
        let parsed: Option<Self> = parsed.and_then(|bytes| serde_json::from_slice(bytes).ok());
        match parsed {
            Some(identity) if identity.format > FORMAT => Err(Error::Denied(format!(
                "{place} was written by a newer version of the host: use that version on this node too"
            ))),
            Some(identity) if identity.id.is_some() || identity.founding.is_some() => Ok(identity),
            _ => Err(Error::Denied(format!(
                "{place} does not name a cluster: restore its content, or remove it as described in \"Moving a \
                 cluster or its records\" of docs/operations.md"
            ))),
        }
    }
}

/// Next step towards joining the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Join: this node belongs to the cluster.
    Join(ClusterId),
    /// Write this into the registry if its content has not changed, then check again.
    WriteRegistry(Identity),
    /// Write this into the store if it has no identity, then check again.
    WriteStore(Identity),
    /// Do not join.
    Refuse(Mismatch),
}

/// Mismatch between the registry and the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// They name different clusters.
    Differ {
        /// Cluster in the registry.
        registry: ClusterId,
        /// Cluster in the store.
        store: ClusterId,
    },
    /// The store belongs to a cluster that the registry does not name.
    StoreTaken(ClusterId),
    /// The registry belongs to a cluster, and the store to none.
    StoreBlank(ClusterId),
}

/// Decides the next step from the identities in the registry and the store, both read at one moment.
///
/// `known` is the cluster of which this node was a member with exactly this registry and this store. `fresh` is a
/// new random number.
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
        // The registry lost all its data. A former member restores the identity.
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

/// The store's part of the admission check, as the registry needs it.
#[async_trait]
pub trait ClusterStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the store's name as configured; equal on all nodes.
    fn name(&self) -> &str;

    /// Returns the identity in the store, if any.
    ///
    /// # Errors
    /// The store does not answer, or holds something else.
    async fn read(&self) -> Result<Option<Identity>, Error>;

    /// Writes the identity if the store has none.
    ///
    /// # Errors
    /// The store does not answer or rejects the write; the identity may have been written.
    ///
    /// # Cancel safety
    /// If the future is dropped, the identity may have been written.
    async fn write(&self, identity: Identity) -> Result<(), Error>;

    /// Returns the cluster of which this node was a member with this registry and this store, in this process or
    /// an earlier one.
    fn known(&self) -> Option<ClusterId>;

    /// Returns the cluster that this process has joined before, if any.
    fn joined(&self) -> Option<ClusterId>;

    /// Records that this process may join the cluster.
    fn remember(&self, id: ClusterId);
}

/// Settings that determine an object's owner, as every node publishes them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// `registry.claims`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
    /// `store.bucket` and `store.prefix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<String>,
}

/// Setting that differs between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Name of the setting.
    pub setting: &'static str,
    /// Value of this node.
    pub mine: &'a str,
    /// Value of the other node.
    pub theirs: &'a str,
}

impl Terms {
    /// Creates the settings of a node.
    #[must_use]
    pub fn new(claims: Granularity, store: Option<&str>) -> Self {
        Self { claims: Some(claims.to_string()), store: store.map(str::to_owned) }
    }

    /// Returns the first setting that differs from another node's.
    #[must_use]
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<Difference<'a>> {
        let pairs = [
            ("registry.claims", &self.claims, &other.claims),
            ("store.bucket with store.prefix", &self.store, &other.store),
        ];
        pairs.into_iter().find_map(|(setting, mine, theirs)| {
            let (mine, theirs) = (mine.as_deref()?, theirs.as_deref()?);
            (mine != theirs).then_some(Difference { setting, mine, theirs })
        })
    }
}

/// Formats the mismatch and its fix for an operator.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let see = "see \"Moving a cluster or its records\" in docs/operations.md";
        match self {
            Self::Differ { registry, store } => write!(
                f,
                "the bucket belongs to cluster {store}, but the ZooKeeper chroot to cluster {registry}: correct \
                 store.* or registry.connect; {see}"
            ),
            Self::StoreTaken(store) => write!(
                f,
                "the bucket belongs to cluster {store}, but this ZooKeeper chroot has no record of it: another \
                 cluster may be using the bucket. Correct store.* or registry.connect; {see}"
            ),
            Self::StoreBlank(registry) => write!(
                f,
                "the ZooKeeper chroot belongs to cluster {registry}, but the bucket has no record of it: that cluster \
                 keeps its records elsewhere. Correct store.* or registry.connect; {see}"
            ),
        }
    }
}

/// Formats the identifier as 32 hexadecimal digits.
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
        parse_hex(&text).map(Self).ok_or("expected 32 hexadecimal digits")
    }
}

#[cfg(test)]
mod tests;
