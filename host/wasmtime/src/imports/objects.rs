//! Host functions for calls and messages to other objects. Calls are validated here and made through the outbound
//! port; messages are only collected (see `effects`).

use std::time::Duration;

use highlander_core::engine::{OutboundCall, OutboundError};
use highlander_core::id::ObjectId;
use highlander_core::json::is_json;
use highlander_core::limits::{
    ARGUMENT_BYTES_MAX, HANDLER_NAME_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX,
};
use wasmtime::{Result, StoreContextMut};

use crate::bindings::highlander::object::objects::{CallError, CallOptions, Rejection};
use crate::budget::FIRST_SLICE_TICKS;
use crate::host_state::HostState;
use crate::wasi::Functions;

type Call = (String, String, String, Vec<u8>, CallOptions);
type Message = (String, String, String, Vec<u8>);

pub(super) fn define(to: &mut Functions<'_>) -> Result<()> {
    to.names.extend(["call", "send"]);
    to.linker.func_wrap_async("call", |cx: StoreContextMut<'_, HostState>, call: Call| {
        Box::new(async move { Ok((bring(cx, call).await?,)) })
    })?;
    to.linker.func_wrap(
        "send",
        |mut cx: StoreContextMut<'_, HostState>, (type_name, key, handler, argument): Message| {
            let id = ObjectId::new(&type_name, &key).map_err(|error| error.to_string());
            Ok((cx.data_mut().effects.send(id, &handler, argument),))
        },
    )
}

/// Makes a call while the guest waits: its processor time is not charged.
async fn bring(
    mut cx: StoreContextMut<'_, HostState>,
    call: Call,
) -> Result<Result<Vec<u8>, CallError>> {
    let call = match read(call) {
        Ok(call) => call,
        Err(why) => return Ok(Err(CallError::InvalidArgument(why))),
    };
    let guest = cx.data_mut();
    let Some(outbound) = guest.effects.outbound.clone() else {
        let text = "no other objects can be called here".to_owned();
        return Ok(Err(CallError::Unavailable(text)));
    };
    guest.budget.suspend()?;
    let answer = outbound.call(call).await;
    cx.data_mut().budget.resume();
    cx.set_epoch_deadline(FIRST_SLICE_TICKS);
    Ok(answer.map(Vec::from).map_err(told))
}

fn read((type_name, key, handler, argument, options): Call) -> Result<OutboundCall, String> {
    let to = ObjectId::new(&type_name, &key).map_err(|error| error.to_string())?;
    if handler.len() > HANDLER_NAME_BYTES_MAX {
        return Err(format!(
            "the handler name is too long; expected at most {HANDLER_NAME_BYTES_MAX} bytes"
        ));
    }
    if argument.len() > ARGUMENT_BYTES_MAX || !is_json(&argument) {
        return Err(format!(
            "the argument is not valid; expected JSON of at most {ARGUMENT_BYTES_MAX} bytes"
        ));
    }
    let is_key = |key: &String| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !options.idempotency_key.as_ref().is_none_or(is_key) {
        let max = IDEMPOTENCY_KEY_BYTES_MAX;
        return Err(format!(
            "the idempotency key is not valid; expected 1 to {max} visible ASCII characters"
        ));
    }
    Ok(OutboundCall {
        to,
        handler: handler.into(),
        argument: argument.into(),
        timeout: options.timeout_ms.map(Duration::from_millis),
        key: options.idempotency_key.map(Into::into),
    })
}

fn told(error: OutboundError) -> CallError {
    match error {
        OutboundError::Rejected(refusal) => {
            let highlander_core::error::Rejection { code, message, detail } = refusal;
            CallError::Rejected(Rejection { code, message, detail: detail.map(Vec::from) })
        }
        OutboundError::InvalidArgument(text) => CallError::InvalidArgument(text),
        OutboundError::NotFound(text) => CallError::NotFound(text),
        OutboundError::Cycle(text) => CallError::Cycle(text),
        OutboundError::TooDeep(text) => CallError::TooDeep(text),
        OutboundError::Conflict(text) => CallError::Conflict(text),
        OutboundError::TimedOut(text) => CallError::TimedOut(text),
        OutboundError::Unavailable(text) => CallError::Unavailable(text),
        OutboundError::Failed(text) => CallError::Failed(text),
        OutboundError::Unknown(text) => CallError::Unknown(text),
    }
}
