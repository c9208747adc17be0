//! What becomes of an object's alarms and messages: rules over [`Dealings`], without clock, I/O or randomness.
//!
//! [`alarms`] says which alarm is due and what follows from having given it, [`outbox`] which messages are to be
//! delivered and which are given up, [`inbox`] which of another object's messages are repetitions, and [`waking`] when
//! the object is to be woken though it may not be active by then.

pub mod alarms;
pub mod inbox;
pub mod outbox;
pub mod shown;
pub mod waking;

use std::sync::Arc;

use crate::store::record::dealings::Dealings;

/// The dealings of an object that may have none, to be changed. What is shared with a record is copied first.
pub(super) fn edit(dealings: &mut Option<Arc<Dealings>>) -> &mut Dealings {
    Arc::make_mut(dealings.get_or_insert_default())
}
