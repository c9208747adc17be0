//! Where an object is: who owns it, and whether it is a file, a state in memory, or an instance.
//! Looking activates nothing and changes nothing.

use super::{Node, no_session};
use crate::error::{Code, Error};
use crate::id::{NodeId, ObjectId};
use crate::store::Store as _;
use crate::store::record::{Epoch, Version, codec};

/// Where an object's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Only in the store.
    Cold,
    /// Claimed, with its state in memory.
    Warm,
    /// Claimed, with an instance.
    Resident,
}

impl Tier {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Resident => "resident",
        }
    }
}

/// What is known of an object without activating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The node that owns it, if one does.
    pub owner: Option<NodeId>,
    /// Where its bytes are.
    pub tier: Tier,
    /// The committed version; 0 where it was never changed.
    pub version: Version,
    /// The epoch of that version.
    pub epoch: Epoch,
    /// The revision that runs, or that wrote the record; 0 where neither is.
    pub revision: u32,
    /// Whether it exists: it was changed, and is not deleted.
    pub exists: bool,
    /// How many calls wait.
    pub mailbox_len: usize,
    /// The object that the running call has called and waits for, if it does.
    pub waits_for: Option<ObjectId>,
}

impl Node {
    /// The object that the running call of an object of this node waits for, if there is one.
    #[must_use]
    pub fn waits_for(&self, id: &ObjectId) -> Option<ObjectId> {
        self.present()?.around.table.get(id)?.position()?.waits_for
    }

    /// What is known of an object, from memory or else from its record. Nothing is activated.
    ///
    /// # Errors
    /// Where registry or store do not answer, or the record is refused.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn whereabouts(&self, id: &ObjectId) -> Result<Whereabouts, Error> {
        self.catalog.current(id.type_name()).await?;
        let session = self.present().ok_or_else(|| *no_session(id))?;
        let around = &session.around;
        let owner = around.registry.owner(id).await;
        let owner =
            owner.map_err(|error| Error::new(Code::RegistryUnavailable, error.to_string()))?;
        if let Some(live) = around.table.get(id).and_then(|cell| cell.position()) {
            let is_resident = around.residents.contains(id);
            return Ok(Whereabouts {
                owner,
                tier: if is_resident { Tier::Resident } else { Tier::Warm },
                version: live.version,
                epoch: live.epoch,
                revision: live.revision,
                exists: live.exists,
                mailbox_len: live.mailbox_len,
                waits_for: live.waits_for,
            });
        }
        let blob = self.store.get(&id.blob_key()).await;
        let blob = blob.map_err(|error| Error::new(Code::StoreUnavailable, error.to_string()))?;
        let record = blob.map(|blob| codec::decode(id, &blob.bytes)).transpose();
        let record = record.map_err(|error| {
            Error::new(Code::RecordDamaged, format!("the record of {id} was refused: {error}"))
        })?;
        Ok(Whereabouts {
            owner,
            tier: Tier::Cold,
            version: record.as_ref().map_or(0, |record| record.version),
            epoch: record.as_ref().map_or(0, |record| record.epoch),
            revision: record.as_ref().map_or(0, |record| record.revision),
            exists: record.is_some_and(|record| record.state.is_some()),
            mailbox_len: 0,
            waits_for: None,
        })
    }
}
