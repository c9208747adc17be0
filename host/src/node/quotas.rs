//! Quotas of object types, by configuration: a call past one is refused before its object is activated.

use std::collections::BTreeMap;

use highlander_core::activation::{Call, Operation};
use highlander_core::clock::BootTime;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{ObjectId, TypeName};
use highlander_core::schedule::quota::{Kind, Quota};

/// Requests per second of each kind that the objects of a type may receive on this node.
pub type Rates = BTreeMap<TypeName, BTreeMap<Kind, u32>>;

/// Quotas of all types.
#[derive(Debug)]
pub(super) struct Quotas(BTreeMap<Box<str>, BTreeMap<Kind, Quota>>);

impl Quotas {
    pub(super) fn new(rates: &Rates) -> Self {
        let of_type = |(name, rates): (&TypeName, &BTreeMap<Kind, u32>)| {
            let quotas = rates.iter().map(|(kind, rate)| (*kind, Quota::new(*rate)));
            (name.as_str().into(), quotas.collect())
        };
        Self(rates.iter().map(of_type).collect())
    }

    /// Counts a call.
    ///
    /// # Errors
    /// [`ErrorCode::TypeQuota`], if the type's quota for calls of this kind is used up.
    pub(super) fn check(
        &self,
        id: &ObjectId,
        call: &Call,
        now: BootTime,
    ) -> Result<(), Box<Error>> {
        let Some(quotas) = self.0.get(id.type_name()) else { return Ok(()) };
        let Some(kind) = kind_of(call) else { return Ok(()) };
        let Some(Err(wait)) = quotas.get(&kind).map(|quota| quota.take(now)) else {
            return Ok(());
        };
        let (type_name, setting) = (id.type_name(), kind.setting());
        let text = format!(
            "the call to {id} was not executed: the quota types.{type_name}.{setting} of this node is used up"
        );
        Err(Box::new(Error::new(ErrorCode::TypeQuota, text).with_retry_after(wait)))
    }
}

/// Returns the kind of a call. Calls of operators have no quota.
fn kind_of(call: &Call) -> Option<Kind> {
    match call.operation {
        Operation::Handle { .. } | Operation::Query { .. } if call.origin.message.is_some() => {
            Some(Kind::Message)
        }
        Operation::Handle { .. } | Operation::Query { .. } => Some(Kind::Call),
        Operation::Wake => Some(Kind::Alarm),
        _ => None,
    }
}
