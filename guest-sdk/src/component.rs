//! Component of an object type: implements the exports of the WIT world for an [`Object`].
//!
//! In the object's own crate, `#[object]` adds only a static
//! for the state and the exported symbols, which must be in the crate that is linked last.

use std::cell::{Cell, RefCell};

use crate::call::HandlerError;
use crate::caller::{Caller, ObjectId, Trigger};
use crate::description::Description;
use crate::handler::{Handler, HandlerKind};
use crate::host::Host;
use crate::instance::{Call, Instance};
use crate::object::Object;
use crate::restore_error::RestoreError;
use crate::wit::bindings::exports::highlander::object::behavior;
use crate::wit::bindings::highlander::object::log;

/// Storage of the one object of a component.
#[derive(Debug)]
pub struct Slot<O> {
    instance: RefCell<Option<Instance<O>>>,
    has_hook: Cell<bool>,
}

impl<O> Slot<O> {
    /// Creates an empty slot.
    #[expect(clippy::new_without_default, reason = "a static needs a `const` constructor")]
    pub const fn new() -> Slot<O> {
        Slot { instance: RefCell::new(None), has_hook: Cell::new(false) }
    }
}

/// Object type that is compiled as a component.
pub trait Component: Object {
    /// Calls `work` with the slot of this component.
    fn with_slot<R>(work: impl FnOnce(&Slot<Self>) -> R) -> R
    where
        Self: Sized;
}

impl<O: Component> behavior::Guest for O {
    fn describe() -> behavior::Description {
        O::with_slot(log_panics);
        description(Description::of::<O>())
    }

    fn restore(
        id: behavior::ObjectId,
        snapshot: Option<Vec<u8>>,
        schema_version: u32,
    ) -> Result<(), behavior::RestoreError> {
        O::with_slot(|slot| {
            log_panics(slot);
            let id = ObjectId::new(id.type_, id.key);
            let instance = Instance::restore(id, Host, snapshot.as_deref(), schema_version)
                .map_err(restore_error)?;
            slot.instance.replace(Some(instance));
            Ok(())
        })
    }

    fn handle(call: behavior::Call) -> Result<Vec<u8>, behavior::HandlerError> {
        O::with_slot(|slot| match slot.instance.borrow_mut().as_mut() {
            Some(instance) => {
                let answer = instance.handle(Call {
                    handler: &call.handler,
                    argument: &call.argument,
                    version: call.version,
                    caller: caller(call.caller),
                    trigger: trigger(call.trigger),
                });
                answer.map_err(rejection)
            }
            None => not_restored(),
        })
    }

    fn snapshot() -> Vec<u8> {
        O::with_slot(|slot| match slot.instance.borrow().as_ref() {
            Some(instance) => instance.snapshot(),
            None => not_restored(),
        })
    }
}

/// Traps: the host called `handle` or `snapshot` before a successful `restore`, so no object exists.
#[cold]
fn not_restored() -> ! {
    core::arch::wasm32::unreachable()
}

/// Sends panic messages to the operator's log, because the output of a component is not kept.
fn log_panics<O>(slot: &Slot<O>) {
    if !slot.has_hook.replace(true) {
        std::panic::set_hook(Box::new(|panic| log::write(log::Level::Error, &panic.to_string())));
    }
}

fn caller(caller: behavior::Caller) -> Caller {
    match caller {
        behavior::Caller::Anonymous => Caller::Anonymous,
        behavior::Caller::Principal(name) => Caller::Principal(name),
        behavior::Caller::Object(id) => Caller::Object(ObjectId::new(id.type_, id.key)),
    }
}

fn trigger(trigger: behavior::Trigger) -> Trigger {
    match trigger {
        behavior::Trigger::Call => Trigger::Call,
        behavior::Trigger::Message(number) => Trigger::Message(number),
        behavior::Trigger::Alarm(alarm) => {
            Trigger::Alarm { name: alarm.name, due_ms: alarm.due_ms }
        }
    }
}

fn description(description: Description) -> behavior::Description {
    behavior::Description {
        name: description.name.to_owned(),
        documentation: description.documentation.to_owned(),
        schema_version: description.schema_version,
        state_content_type: description.state_content_type.to_owned(),
        state_schema: description.state_schema,
        handlers: description.handlers.into_iter().map(handler).collect(),
        publish_state: description.publish_state,
    }
}

fn handler(handler: Handler) -> behavior::Handler {
    behavior::Handler {
        name: handler.name.to_owned(),
        kind: match handler.kind {
            HandlerKind::Update => behavior::HandlerKind::Update,
            HandlerKind::Query => behavior::HandlerKind::Query,
        },
        documentation: handler.documentation.to_owned(),
        argument_schema: handler.argument_schema,
        reply_schema: handler.reply_schema,
    }
}

fn rejection(error: HandlerError) -> behavior::HandlerError {
    match error {
        HandlerError::InvalidArgument(reason) => behavior::HandlerError::InvalidArgument(reason),
        HandlerError::UnknownHandler => behavior::HandlerError::UnknownHandler,
        HandlerError::Rejected(rejection) => {
            let (code, message, detail) = rejection.into_parts();
            behavior::HandlerError::Rejected(behavior::Rejection { code, message, detail })
        }
    }
}

fn restore_error(error: RestoreError) -> behavior::RestoreError {
    match error {
        RestoreError::NewerSchema { known } => behavior::RestoreError::NewerSchema(known),
        RestoreError::InvalidSnapshot(reason) => behavior::RestoreError::InvalidSnapshot(reason),
    }
}

/// Exports the component of `$object` from the crate that contains it. Used by `#[object]`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($object:ident) => {
        const _: () = {
            ::std::thread_local! {
                static SLOT: $crate::__private::Slot<$object> =
                    const { $crate::__private::Slot::new() };
            }

            impl $crate::__private::Component for $object {
                fn with_slot<R>(
                    work: impl ::core::ops::FnOnce(&$crate::__private::Slot<$object>) -> R,
                ) -> R {
                    SLOT.with(work)
                }
            }

            $crate::__private::bindings::export!(
                $object with_types_in $crate::__private::bindings
            );
        };
    };
}
