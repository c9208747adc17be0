//! New code for living objects: a deployment here, or the notice of one elsewhere.
//! An object that runs another revision ends between two calls, and begins again with the current one.

use std::sync::Arc;

use bytes::Bytes;

use super::{Node, until};
use crate::activation::Reason;
use crate::activation::cell::Cell;
use crate::activation::offer::deactivate;
use crate::catalog::Deployed;
use crate::error::Error;
use crate::id::TypeName;

impl Node {
    /// Deploys a component, and ends the live objects of its type, so that each goes on with the new code. The other
    /// nodes are told, and follow by themselves.
    ///
    /// # Errors
    /// As [`Catalog::deploy`](crate::catalog::Catalog::deploy).
    ///
    /// # Cancel safety
    /// The component may or may not have become current.
    pub async fn deploy(&self, wasm: Bytes, force: bool) -> Result<Deployed, Error> {
        let deployed = self.catalog.deploy(wasm, force).await?;
        if deployed.is_new {
            tracing::info!(
                type_name = %deployed.type_name, revision = deployed.revision, "deployed"
            );
            if let Some(registry) = self.session()
                && let Err(error) = registry.announce(&deployed.type_name).await
            {
                tracing::warn!("the other nodes were not told of the new revision: {error}");
            }
            self.replace(&deployed.type_name, deployed.revision).await;
        }
        Ok(deployed)
    }

    /// Reads a type again, and moves its live objects to the revision that is current now.
    pub(super) async fn look_again(&self, type_name: &TypeName) {
        match self.catalog.look_again(type_name).await {
            Ok(Some(revision)) => self.replace(type_name, revision).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(%type_name, "the type could not be read again: {error}"),
        }
    }

    /// Ends every activation that runs another revision. Calls that wait meanwhile meet this one.
    async fn replace(&self, type_name: &TypeName, revision: u32) {
        let Some(session) = self.present() else { return };
        let is_other = |cell: &Arc<Cell>| {
            cell.id().type_name() == type_name.as_str()
                && cell.position().is_some_and(|live| live.revision != revision)
        };
        until(|| {
            let others = session.around.table.select(is_other);
            others.iter().for_each(|cell| deactivate(cell, Reason::Replaced, &session.around));
            others.is_empty()
        })
        .await;
    }
}
