//! Rules for an object's alarms and messages: pure functions over [`Dealings`], without clock, I/O or randomness.
//!
//! [`alarms`] selects the due alarm and reschedules it, [`outbox`] selects the messages to deliver and those to give
//! up, [`inbox`] detects duplicate messages of other objects, and [`waking`] computes when an inactive object must be
//! woken.

pub mod alarms;
pub mod inbox;
pub mod outbox;
pub mod shown;
pub mod waking;

use std::sync::Arc;

use crate::store::record::dealings::Dealings;

/// Returns mutable dealings, created if there are none. Data shared with a record is copied first.
pub(super) fn edit(dealings: &mut Option<Arc<Dealings>>) -> &mut Dealings {
    Arc::make_mut(dealings.get_or_insert_default())
}
