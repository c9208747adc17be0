//! Error answers of calls that did not run, or that ran and changed nothing.

use std::time::Duration;

use crate::activation::protocol::Now;
use crate::activation::{Answer, refuse};
use crate::engine::{Fault, HandlerError, RestoreError};
use crate::error::{Error, ErrorCode};
use crate::id::ObjectId;

/// Time after which a call that found no room on the node may succeed.
const NODE_RETRY: Duration = Duration::from_secs(1);

/// Returns the answer to a call that finds the mailbox full.
pub(super) fn mailbox_full(id: &ObjectId, len_max: usize) -> Answer {
    let text = format!("the mailbox of {id} is full: {len_max} calls are waiting");
    refuse(ErrorCode::MailboxFull, text)
        .map_err(|error| Box::new(error.with_retry_after(Duration::from_secs(1))))
}

/// Returns the answer to a call whose deadline passed before it started.
pub(super) fn too_late(id: &ObjectId) -> Answer {
    refuse(
        ErrorCode::DeadlineExceeded,
        format!("the call to {id} was not executed: its deadline passed before it started"),
    )
}

/// Returns the answer to a call that the object rejected.
pub(super) fn rejected(id: &ObjectId, rejection: HandlerError) -> Answer {
    match rejection {
        HandlerError::InvalidArgument(why) => {
            let text = format!("the argument for {id} is not valid: {why}");
            let hint = format!(
                "list its handlers with their arguments: highlander types {}",
                id.type_name()
            );
            Err(Box::new(Error::new(ErrorCode::InvalidArgument, text).with_hint(hint)))
        }
        HandlerError::UnknownHandler(why) => {
            let hint = format!("list its handlers: highlander types {}", id.type_name());
            Err(Box::new(Error::new(ErrorCode::UnknownHandler, why).with_hint(hint)))
        }
        HandlerError::NoQuery => {
            let text = format!("the handler of {id} is an update, which cannot be called with GET");
            let error = Error::new(ErrorCode::MethodNotAllowed, text);
            Err(Box::new(error.with_hint("call it with POST and the argument as the body")))
        }
        HandlerError::Rejected(refusal) => {
            let text = format!("{id} rejected the call: {}", refusal.message);
            let error = Error::new(ErrorCode::ObjectRejected, text);
            Err(Box::new(Error { rejection: Some(Box::new(refusal)), ..error }))
        }
    }
}

/// Returns the answer to a call whose code failed.
pub(super) fn faulted(id: &ObjectId, fault: &Fault, now: Now<'_>) -> Answer {
    let code = match fault {
        Fault::Trapped(_) => ErrorCode::ObjectTrapped,
        Fault::Cpu(_) => ErrorCode::CpuExceeded,
        Fault::Memory(_) => ErrorCode::MemoryExceeded,
        Fault::Stack => ErrorCode::StackExceeded,
        Fault::HostCalls => ErrorCode::HostCallsExceeded,
        Fault::StateTooLarge { .. } => ErrorCode::StateTooLarge,
        Fault::Contract(_) => ErrorCode::ContractBroken,
        Fault::Exhausted(_) => ErrorCode::NodeFull,
        Fault::NodeMemoryFull(_) => ErrorCode::NodeMemoryFull,
    };
    let error = Error::new(code, format!("{id} was not changed: {}", told(fault, now)));
    // Idle instances are evicted meanwhile, and waiting calls end.
    let is_passing = fault.is_of_node();
    Err(Box::new(if is_passing { error.with_retry_after(NODE_RETRY) } else { error }))
}

/// Returns the text of a fault for the caller. The message of a trap goes only to the operator's log, because it may
/// contain paths of the machine that compiled the component. On a developer's node the caller compiled it and
/// receives the message.
fn told(fault: &Fault, now: Now<'_>) -> String {
    match fault {
        Fault::Trapped(_) if !now.settings.shows_traps => {
            "its code trapped; the node's log has the reason".to_owned()
        }
        fault => fault.to_string(),
    }
}

/// Returns the answer to a call whose state the code cannot read.
pub(super) fn unreadable(id: &ObjectId, error: &RestoreError, now: Now<'_>) -> Answer {
    match error {
        RestoreError::Fault(fault) if fault.is_of_node() => faulted(id, fault, now),
        _ => {
            let why = match error {
                RestoreError::Fault(fault) => told(fault, now),
                error => error.to_string(),
            };
            let text = format!("{id} cannot be used: {why}");
            let hint = "deploy a component that can read this state; the state is intact";
            Err(Box::new(Error::new(ErrorCode::StateUnreadable, text).with_hint(hint)))
        }
    }
}
