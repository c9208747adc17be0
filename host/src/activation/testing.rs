//! Test helper that builds calls to objects, for the layers above.

use std::time::Duration;

use serde_json::Value;

use super::{Call, Consistency, Operation, Precondition};
use crate::call_context::Origin;
use crate::caller::Caller;
use crate::clock::BootTime;

/// Returns a call without key and precondition, and with a deadline in ten seconds.
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
