//! Shares of types in processor time, and components that describe themselves in a share of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use highlander_core::call_context::Rank;
use highlander_core::engine::{Component, Description, LoadError};
use highlander_core::id::{ObjectId, TypeName};
use highlander_core::schedule::place::type_bucket;
use highlander_core::schedule::shares::{Payer, WEIGHT};

use super::{Catalog, TypeShare};
use crate::lane::{Lane, cores};

/// Payer for components that describe themselves; no type has this name.
const DESCRIBE: &str = "(describe)";

impl Catalog {
    /// Returns the catalog with the lane of the node, and with weights for some types.
    #[must_use]
    pub fn with_shares(self, lane: Arc<Lane>, weights: BTreeMap<TypeName, u32>) -> Self {
        Self { lane: Some(lane), weights, ..self }
    }

    /// Returns the weight of a type in the shares of processor time.
    #[must_use]
    pub fn weight(&self, type_name: &str) -> u32 {
        self.weights.get(type_name).copied().unwrap_or(WEIGHT)
    }

    /// Returns the payer for background work on an object.
    #[must_use]
    pub fn background_payer(&self, id: &ObjectId) -> Arc<Payer> {
        Arc::new(Payer {
            rank: Rank::Background,
            type_name: id.type_name().into(),
            weight: self.weight(id.type_name()),
            object: id.as_str().into(),
        })
    }

    pub(super) fn share_of(&self, type_name: &TypeName) -> TypeShare {
        TypeShare {
            type_name: type_name.as_str().into(),
            weight: self.weight(type_name.as_str()),
            inline_credit: type_bucket(cores()),
        }
    }

    /// Lets a component describe itself, on a guest thread.
    ///
    /// # Errors
    /// As [`Component::describe`].
    pub async fn description_of(
        &self,
        component: Arc<dyn Component>,
    ) -> Result<Description, LoadError> {
        let Some(lane) = &self.lane else { return component.describe().await };
        let payer = Payer {
            rank: Rank::Background,
            type_name: DESCRIBE.into(),
            weight: WEIGHT,
            object: component.digest().to_string().into(),
        };
        let described = lane.admit(Arc::new(payer), async move { component.describe().await });
        described.await.unwrap_or_else(|| {
            let text = "the host failed while the component described itself";
            Err(LoadError::Failed(text.to_owned()))
        })
    }
}
