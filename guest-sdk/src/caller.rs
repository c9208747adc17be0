//! Identities in a call: the object, its caller, and the trigger of the handler.
//!
//! Owns [`ObjectId`], [`Caller`] and [`Trigger`]: plain values, which the host has authenticated.

use std::fmt;

/// Identity of an object: its type and its key.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::ObjectId;
/// let id = ObjectId::new("todo", "42");
/// assert_eq!(id.to_string(), "todo/42");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    object_type: String,
    key: String,
}

impl ObjectId {
    /// Creates the identity of the object of type `object_type` with the key `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::ObjectId;
    /// assert_eq!(ObjectId::new("list", "groceries").key(), "groceries");
    /// ```
    pub fn new(object_type: impl Into<String>, key: impl Into<String>) -> ObjectId {
        ObjectId { object_type: object_type.into(), key: key.into() }
    }

    /// Returns the object's type, such as `todo`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::ObjectId;
    /// assert_eq!(ObjectId::new("todo", "42").object_type(), "todo");
    /// ```
    pub fn object_type(&self) -> &str {
        &self.object_type
    }

    /// Returns the object's key: 1 to 256 bytes of UTF-8 without control characters.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::ObjectId;
    /// assert_eq!(ObjectId::new("todo", "42").key(), "42");
    /// ```
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object_type)?;
        f.write_str("/")?;
        f.write_str(&self.key)
    }
}

/// Caller of a handler, as authenticated by the host.
///
/// The host has already checked whether the caller may call objects of this type. The handler decides about
/// permissions for the individual object.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::Caller;
/// assert_eq!(Caller::Principal("ada".to_owned()).principal(), Some("ada"));
/// assert_eq!(Caller::Anonymous.principal(), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// An unauthenticated caller: the node accepts calls without a token.
    #[default]
    Anonymous,
    /// A caller with a token that the node accepts, by the name of the principal.
    Principal(String),
    /// Another object of the same cluster, or this object for its alarms.
    Object(ObjectId),
}

impl Caller {
    /// Returns the name of the principal, if the caller is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::{Caller, ObjectId};
    /// assert_eq!(Caller::Object(ObjectId::new("list", "home")).principal(), None);
    /// ```
    pub fn principal(&self) -> Option<&str> {
        match self {
            Caller::Principal(name) => Some(name),
            Caller::Anonymous | Caller::Object(_) => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Anonymous => f.write_str("anonymous"),
            Caller::Principal(name) => f.write_str(name),
            Caller::Object(id) => id.fmt(f),
        }
    }
}

/// Trigger of a handler.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// fn is_reminder(ctx: &Context) -> bool {
///     matches!(ctx.trigger(), Trigger::Alarm { name, .. } if name == "reminder")
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// A call whose caller waits for the reply.
    #[default]
    Call,
    /// A message from another object, which is the caller. The number counts all messages of that object.
    Message(u64),
    /// An alarm of this object, which is the caller.
    Alarm {
        /// Name of the alarm.
        name: String,
        /// Time at which it was due: milliseconds since 1970-01-01 00:00 UTC. Does not change when the alarm is
        /// retried.
        due_ms: u64,
    },
}
