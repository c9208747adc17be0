//! Effects and failures of a call, and errors as JSON. Effects are requested unchecked: rejecting them is the
//! host's task.

use std::time::Duration;

use highlander_sdk::prelude::*;

/// An effect of a handler.
#[data]
pub(crate) enum Effect {
    /// Sends a message to `take` of the object `to`.
    Send { to: String },
    /// Sets an alarm that calls `ring`.
    SetAlarm { name: String, after_ms: u64 },
    /// Cancels an alarm.
    CancelAlarm { name: String },
    /// Publishes an event.
    Publish { name: String },
    /// Calls `chain` of the object `key`.
    Call { key: String },
}

/// Failure of a handler.
#[data]
pub(crate) enum Failure {
    /// Rejects the call.
    Reject,
    /// Traps.
    Trap,
    /// Never returns.
    Spin,
}

impl Effect {
    pub(crate) fn bring_about(self, ctx: &Context) -> Result<(), Rejection> {
        match self {
            Effect::Send { to } => {
                let message =
                    json!({ "from": ctx.key(), "number": 1_000_000, "tag": "to be dropped" });
                ctx.send(&ObjectId::new(ctx.object_type(), to), "take", &message)?;
            }
            Effect::SetAlarm { name, after_ms } => {
                ctx.set_alarm(&name, Duration::from_millis(after_ms)).call("ring", &())?;
            }
            Effect::CancelAlarm { name } => drop(ctx.cancel_alarm(&name)?),
            Effect::Publish { name } => ctx.publish(&name, &"to be dropped")?,
            Effect::Call { key } => {
                let object = ObjectRef::new(ctx.object_type(), key);
                object.call::<Json>("chain", &json!({ "path": [] }))?;
            }
        }
        Ok(())
    }
}

impl Failure {
    #[expect(clippy::panic, reason = "the caller requested the panic")]
    pub(crate) fn fail(self) -> Result<(), Rejection> {
        match self {
            Failure::Reject => reject!("told-to-reject", "all earlier effects must be undone"),
            Failure::Trap => panic!("told to trap"),
            Failure::Spin => loop {
                std::hint::black_box(());
            },
        }
    }
}

/// Returns `{"ok": null}`, or the rejection as an error.
pub(crate) fn outcome(result: Result<(), Rejection>) -> Json {
    match result {
        Ok(()) => json!({ "ok": null }),
        Err(rejection) => {
            let (code, text) = (rejection.code(), rejection.message());
            json!({ "error": { "kind": "refused", "code": code, "text": text } })
        }
    }
}

/// Returns a call error as JSON, with the names of the WIT world.
pub(crate) fn failed(error: &CallError) -> Json {
    let kind = match error {
        CallError::Rejected(_) => "refused",
        CallError::InvalidArgument(_) => "invalid-argument",
        CallError::NotFound(_) => "not-found",
        CallError::Cycle(_) => "cycle",
        CallError::TooDeep(_) => "too-deep",
        CallError::Conflict(_) => "conflict",
        CallError::TimedOut(_) => "timed-out",
        CallError::Unavailable(_) => "unavailable",
        CallError::Failed(_) => "failed",
        CallError::Unknown(_) => "unknown",
        CallError::ReplyUnreadable(_) => "reply-unreadable",
    };
    let mut described = json!({ "kind": kind, "code": error.code(), "text": error.text() });
    if let CallError::Rejected(rejection) = error
        && let Some(detail) = rejection.detail::<Json>()
        && let Some(described) = described.as_object_mut()
    {
        described.insert("detail".to_owned(), detail);
    }
    json!({ "error": described })
}
