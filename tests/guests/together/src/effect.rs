//! What one call can bring about, how it can fail then, and errors as JSON.
//! What is asked for is brought about as it stands: refusing it is up to the host.

use std::time::Duration;

use highlander_sdk::prelude::*;

/// One thing that a handler can bring about.
#[data]
pub(crate) enum Effect {
    /// A message to `take` of the object `to`.
    Send { to: String },
    /// An alarm that calls `ring`.
    SetAlarm { name: String, after_ms: u64 },
    /// No alarm any more.
    CancelAlarm { name: String },
    /// An event.
    Publish { name: String },
    /// A call of `chain` of the object `key`.
    Call { key: String },
}

/// How a handler fails.
#[data]
pub(crate) enum Failure {
    /// It rejects the call.
    Reject,
    /// It traps.
    Trap,
    /// It never ends.
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
    #[expect(clippy::panic, reason = "it is what it was told")]
    pub(crate) fn fail(self) -> Result<(), Rejection> {
        match self {
            Failure::Reject => reject!("told-to-reject", "everything before is to be undone"),
            Failure::Trap => panic!("told to trap"),
            Failure::Spin => loop {
                std::hint::black_box(());
            },
        }
    }
}

/// `{"ok": null}`, or the rejection that it would have been.
pub(crate) fn outcome(result: Result<(), Rejection>) -> Json {
    match result {
        Ok(()) => json!({ "ok": null }),
        Err(rejection) => {
            let (code, text) = (rejection.code(), rejection.message());
            json!({ "error": { "kind": "refused", "code": code, "text": text } })
        }
    }
}

/// A call that has no reply, by the words of the contract.
pub(crate) fn failed(error: &CallFailed) -> Json {
    let kind = match error {
        CallFailed::Refused(_) => "refused",
        CallFailed::InvalidArgument(_) => "invalid-argument",
        CallFailed::NotFound(_) => "not-found",
        CallFailed::Cycle(_) => "cycle",
        CallFailed::TooDeep(_) => "too-deep",
        CallFailed::Conflict(_) => "conflict",
        CallFailed::TimedOut(_) => "timed-out",
        CallFailed::Unavailable(_) => "unavailable",
        CallFailed::Failed(_) => "failed",
        CallFailed::Unknown(_) => "unknown",
        CallFailed::ReplyUnreadable(_) => "reply-unreadable",
    };
    let mut described = json!({ "kind": kind, "code": error.code(), "text": error.text() });
    if let CallFailed::Refused(rejection) = error
        && let Some(detail) = rejection.detail::<Json>()
    {
        described["detail"] = detail;
    }
    json!({ "error": described })
}
