//! Host functions for alarms of the object.

use highlander_core::effects::Alarm;
use wasmtime::{Result, StoreContextMut};

use crate::bindings::highlander::object::alarms::{Alarm as WitAlarm, Due};
use crate::host_state::HostState;
use crate::wasi::Functions;

type Set = (String, Due, Option<u64>, String, Vec<u8>);

pub(super) fn define(to: &mut Functions<'_>) -> Result<()> {
    to.names.extend(["set", "cancel", "list"]);
    to.linker.func_wrap("set", |mut cx: StoreContextMut<'_, HostState>, set: Set| {
        let (name, due, every_ms, handler, argument) = set;
        let guest = cx.data_mut();
        let due_ms = match due {
            Due::AtMs(at) => at,
            Due::AfterMs(after) => guest.now_ms.saturating_add(after),
        };
        let alarm = Alarm::new(&name, due_ms, every_ms, &handler, argument);
        Ok((guest.effects.set_alarm(alarm),))
    })?;
    to.linker.func_wrap(
        "cancel",
        |mut cx: StoreContextMut<'_, HostState>, (name,): (String,)| {
            Ok((cx.data_mut().effects.cancel_alarm(&name),))
        },
    )?;
    to.linker.func_wrap("list", |cx: StoreContextMut<'_, HostState>, (): ()| {
        let listed = cx.data().effects.alarms().iter().map(|alarm| WitAlarm {
            name: alarm.name.to_string(),
            due_ms: alarm.due_ms,
            every_ms: alarm.every_ms,
            handler: alarm.handler.to_string(),
            argument: alarm.argument.to_vec(),
        });
        Ok((listed.collect::<Vec<_>>(),))
    })
}
