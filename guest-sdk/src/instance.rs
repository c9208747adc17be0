//! One object in memory: its state, and the calls on it.
//!
//! The component and the test harness both drive objects through this module, so tests run the same code as the
//! host. Undoing a rejected call is the host's task: it restores the last snapshot.

use std::cell::Cell;

use crate::call::HandlerError;
use crate::caller::{Caller, ObjectId, Trigger};
use crate::context::Context;
use crate::host::Host;
use crate::migration;
use crate::object::Object;
use crate::restore_error::RestoreError;
use crate::state::StateCodec as _;
use crate::writing::cannot_be_written;

/// One call of a handler, as the host makes it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) handler: &'a str,
    /// JSON.
    pub(crate) argument: &'a [u8],
    /// Version of the state that the call sees.
    pub(crate) version: u64,
    pub(crate) caller: Caller,
    pub(crate) trigger: Trigger,
}

/// A restored object.
#[derive(Debug)]
pub(crate) struct Instance<O> {
    ctx: Context,
    state: O,
    /// Size of the last snapshot. The next one is about as long, so this capacity avoids growing its buffer step by
    /// step.
    snapshot_bytes: Cell<usize>,
}

impl<O: Object> Instance<O> {
    /// Restores the object `id` from `snapshot`, or with the defaults of its type if there is none.
    pub(crate) fn restore(
        id: ObjectId,
        host: Host,
        snapshot: Option<&[u8]>,
        schema_version: u32,
    ) -> Result<Instance<O>, RestoreError> {
        let state = match snapshot {
            None => O::default(),
            Some(bytes) => migration::read(schema_version, bytes)?,
        };
        let snapshot_bytes = Cell::new(snapshot.map_or(128, <[u8]>::len));
        Ok(Instance { ctx: Context::new(id, host), state, snapshot_bytes })
    }

    /// Runs one handler. After an error, the instance must be restored before it is used again.
    pub(crate) fn handle(&mut self, call: Call<'_>) -> Result<Vec<u8>, HandlerError> {
        self.ctx.begin_call(call.version, call.caller, call.trigger);
        self.ctx.host().run(|| self.state.dispatch(&self.ctx, call.handler, call.argument))
    }

    /// Encodes the whole state so that `restore` can read it.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.snapshot_bytes.get() + 64);
        if let Err(why) = O::Codec::encode(&self.state, &mut bytes) {
            cannot_be_written("state", &why);
        }
        self.snapshot_bytes.set(bytes.len());
        bytes
    }

    #[cfg(all(feature = "testing", not(target_family = "wasm")))]
    pub(crate) fn state(&self) -> &O {
        &self.state
    }
}
