//! Alarms and messages of an object. The machine of the object writes the document, so the core defines it.

pub use highlander_core::activation::effects::view::{AlarmView, EffectsView, MessageView};
