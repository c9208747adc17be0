//! Host functions for events to subscribers of the object.

use wasmtime::{Result, StoreContextMut};

use crate::host_state::HostState;
use crate::wasi::Functions;

pub(super) fn define(to: &mut Functions<'_>) -> Result<()> {
    to.names.push("publish");
    to.linker.func_wrap(
        "publish",
        |mut cx: StoreContextMut<'_, HostState>, (name, data): (String, Vec<u8>)| {
            Ok((cx.data_mut().effects.publish(&name, data),))
        },
    )
}
