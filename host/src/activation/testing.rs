//! What tests of the layers above call objects with.

use std::time::Duration;

use serde_json::Value;

use super::{Call, Consistency, Operation, Precondition};
use crate::caller::Caller;
use crate::clock::BootTime;
use crate::origin::Origin;

/// A call without key and condition, for which its caller waits ten seconds.
pub(crate) fn call(handler: &str, argument: &Value) -> Call {
    Call {
        operation: Operation::Handle {
            handler: handler.into(),
            argument: argument.to_string().into(),
        },
        caller: Caller::Anonymous,
        origin: Origin::default(),
        precondition: Precondition::None,
        key: None,
        consistency: Consistency::Lease,
        deadline: BootTime::now() + Duration::from_secs(10),
    }
}
