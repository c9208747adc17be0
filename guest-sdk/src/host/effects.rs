//! Effects that the mock of the host keeps.

use std::collections::BTreeMap;

use crate::Json;
use crate::alarm::Alarm;
use crate::caller::ObjectId;

/// Effects of one call, or all effects that were kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    /// Receiver, handler and argument of each message.
    pub(crate) messages: Vec<(ObjectId, String, Json)>,
    /// Name and data of each event.
    pub(crate) events: Vec<(String, Json)>,
    pub(crate) event_bytes: usize,
    /// All alarms that are set, by name.
    pub(crate) alarms: BTreeMap<String, Alarm>,
}
