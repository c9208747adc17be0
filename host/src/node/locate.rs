//! Location and status of an object: its owner, and whether it is cold, warm or resident. Queries activate nothing
//! and change nothing.

use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::ObjectId;
use highlander_core::store::Store as _;
use highlander_core::store::record::codec;

use super::{Node, no_session};
use crate::wire::objects::{ObjectLocation, Tier};

impl Node {
    /// Returns the object that the running call of one of this node's objects waits for, if any.
    #[must_use]
    pub fn waits_for(&self, id: &ObjectId) -> Option<ObjectId> {
        self.current_session()?.ctx.table.get(id)?.status()?.waits_for
    }

    /// Returns the revisions of an object that is active on this node: the one that its next call runs, and the one
    /// that it has adopted.
    #[must_use]
    pub fn revisions_of(&self, id: &ObjectId) -> Option<[u32; 2]> {
        let position = self.current_session()?.ctx.table.get(id)?.status()?;
        Some([position.revision, position.own_revision])
    }

    /// Returns the location and status of an object, from memory or else from its record. Activates nothing.
    ///
    /// # Errors
    /// The registry or the store does not answer, or the record is invalid.
    pub async fn locate(&self, id: &ObjectId) -> Result<ObjectLocation, Error> {
        self.catalog.current(id.type_name()).await?;
        let session = self.current_session().ok_or_else(|| *no_session(id))?;
        let ctx = &session.ctx;
        let owner = ctx.registry.owner(id).await;
        let owner =
            owner.map_err(|error| Error::new(ErrorCode::RegistryUnavailable, error.to_string()))?;
        if let Some(live) = ctx.table.get(id).and_then(|slot| slot.status()) {
            let is_resident = ctx.instances.contains(id);
            return Ok(ObjectLocation {
                object: id.clone(),
                node: owner,
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
        let blob =
            blob.map_err(|error| Error::new(ErrorCode::StoreUnavailable, error.to_string()))?;
        let record = blob.map(|blob| codec::decode(id, &blob.bytes)).transpose();
        let record = record.map_err(|error| {
            Error::new(
                ErrorCode::RecordDamaged,
                format!("the record of {id} was rejected: {error}"),
            )
        })?;
        Ok(ObjectLocation {
            object: id.clone(),
            node: owner,
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
