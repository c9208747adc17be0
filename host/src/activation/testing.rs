//! Test helper that builds calls to objects, for the layers above.

use std::time::Duration;

use highlander_core::activation::{Call, Consistency, Operation, Precondition};
use highlander_core::call_context::Origin;
use highlander_core::caller::Caller;
use highlander_system::clock;
use serde_json::Value;

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
        deadline: clock::now() + Duration::from_secs(10),
    }
}
