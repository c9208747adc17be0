//! Evidence of a run about its code: whether a failure is one of the code, or of the call.

use crate::activation::protocol::RunOutcome;
use crate::engine::{Fault, HandlerError, RestoreError};

/// Evidence of one run about its code.
pub(super) enum Verdict {
    Works,
    Fails(String),
    /// The code was not available.
    Missing,
    Nothing,
}

/// Classifies the outcome of a run as evidence about its code.
pub(super) fn classify(ran: &RunOutcome) -> Verdict {
    match ran {
        RunOutcome::Updated { .. } | RunOutcome::Queried { .. } => Verdict::Works,
        // A missing handler, or one of the wrong kind, is rejected before the code runs.
        RunOutcome::Rejected {
            rejection: HandlerError::UnknownHandler(_) | HandlerError::NoQuery,
            ..
        } => Verdict::Nothing,
        RunOutcome::Rejected { .. } => Verdict::Works,
        ran if ran.is_of_node() => Verdict::Nothing,
        RunOutcome::TimedOut => Verdict::Nothing,
        // The trap message goes only to the operator's log: it may contain paths of the machine that compiled the
        // component.
        RunOutcome::Faulted(Fault::Trapped(_))
        | RunOutcome::Unreadable(RestoreError::Fault(Fault::Trapped(_))) => {
            Verdict::Fails("its code trapped".to_owned())
        }
        RunOutcome::Faulted(fault) => Verdict::Fails(fault.to_string()),
        RunOutcome::Unreadable(error) => Verdict::Fails(error.to_string()),
        RunOutcome::NoCode(_) => Verdict::Missing,
    }
}
