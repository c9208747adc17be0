//! Rules for an object's alarms and messages: pure functions over [`DurableEffects`], without clock, I/O or randomness.
//!
//! [`alarms`] selects the due alarm and reschedules it, [`outbox`] selects the messages to deliver and those to give
//! up, [`inbox`] detects duplicate messages of other objects, and [`wakeup_index`] computes when an inactive object
//! must be woken.

pub mod alarms;
pub mod inbox;
pub mod outbox;
pub mod view;
pub mod wakeup_index;

use std::sync::Arc;

use crate::store::record::effects::DurableEffects;

/// Returns mutable durable effects, created if there are none. Data shared with a record is copied first.
pub(super) fn edit(effects: &mut Option<Arc<DurableEffects>>) -> &mut DurableEffects {
    Arc::make_mut(effects.get_or_insert_default())
}
