//! [`Alarm`] and the time at which it is due.

use std::time::Duration;

use crate::Json;

/// Time at which an alarm is due.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # use highlander_sdk::prelude::*;
/// assert_eq!(Due::from(Duration::from_secs(60)), Due::After(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// An absolute time: milliseconds since 1970-01-01 00:00 UTC.
    AtMs(u64),
    /// A delay, counted from the start of this call.
    After(Duration),
}

impl From<Duration> for Due {
    fn from(after: Duration) -> Due {
        Due::After(after)
    }
}

/// An alarm that is set.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::prelude::*;
/// fn next_ms(ctx: &Context) -> Option<u64> {
///     ctx.alarms().iter().map(|alarm| alarm.due_ms).min()
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Name, unique within the object.
    pub name: String,
    /// Next time at which it is due: milliseconds since 1970-01-01 00:00 UTC.
    pub due_ms: u64,
    /// Interval of a repeating alarm in milliseconds.
    pub every_ms: Option<u64>,
    /// Handler that is called.
    pub handler: String,
    /// Argument of that call.
    pub argument: Json,
}
