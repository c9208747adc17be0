//! A revision that is ready to run, and the code selected for an object.

use std::sync::Arc;

use highlander_core::call_context::Rank;
use highlander_core::caller::call_policy::CallPolicy;
use highlander_core::engine::{Component, Description};
use highlander_core::id::{CodeId, Digest};
use highlander_core::schedule::bucket::Bucket;
use highlander_core::schedule::place::HandlerCosts;
use highlander_core::schedule::shares::Payer;

/// Revision of a type, ready to run.
#[derive(Debug)]
pub struct Revision {
    /// Number within the type, from 1.
    pub number: u32,
    /// Digest of the component.
    pub digest: Digest,
    /// Description that the component exports.
    pub description: Arc<Description>,
    /// Media type of its snapshots, shared by all states.
    pub state_content_type: Arc<str>,
    /// Limit of the calls and messages of its objects.
    pub call_policy: Arc<CallPolicy>,
    /// Compiled component.
    pub component: Arc<dyn Component>,
    /// Share of its calls in processor time.
    pub share: TypeShare,
    /// Processor time that calls of its handlers have taken.
    pub costs: HandlerCosts,
}

/// Share of a type in the processor time of the node.
#[derive(Debug)]
pub struct TypeShare {
    /// Name of the type.
    pub type_name: Arc<str>,
    /// Its weight.
    pub weight: u32,
    /// Credit for calls that run in their caller's task.
    pub inline_credit: Bucket,
}

impl TypeShare {
    /// Returns the payer for a call of an object.
    #[must_use]
    pub fn payer(&self, rank: Rank, object: &str) -> Arc<Payer> {
        let type_name = Arc::clone(&self.type_name);
        Arc::new(Payer { rank, type_name, weight: self.weight, object: object.into() })
    }
}

impl Revision {
    /// Returns the identity of its code.
    #[must_use]
    pub fn id(&self) -> CodeId {
        CodeId { revision: self.number, component: self.digest }
    }
}

/// Code selected for one object.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Revision that should run the object.
    pub wanted: Arc<Revision>,
    /// Code to continue with if `wanted` fails and the object has not adopted any code yet.
    pub fallback: Option<CodeId>,
}
