//! Who is who in a call: the object, its caller, and why the handler runs.
//!
//! Owns [`ObjectId`], [`Caller`] and [`Occasion`]: plain values, which the host vouches for.

use std::fmt;

/// Who an object is: its type and its key.
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
    /// Names the object of type `object_type` with the key `key`.
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

    /// The object's type, such as `todo`.
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

    /// The object's key: 1 to 256 bytes of UTF-8 without control characters.
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

/// Who makes a call, as the host vouches for it.
///
/// Whether a caller may call objects of the type at all was decided before. A handler decides what it may do with this
/// one object.
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
    /// Nobody in particular: the node takes calls from everybody.
    #[default]
    Anonymous,
    /// Somebody whose token the node knows, by the name that goes with it.
    Principal(String),
    /// Another object.
    Object(ObjectId),
}

impl Caller {
    /// The name of the principal, where the caller is one.
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

/// Why a handler runs.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// fn is_reminder(ctx: &Context) -> bool {
///     matches!(ctx.occasion(), Occasion::Alarm { name, .. } if name == "reminder")
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody called it and waits for the reply.
    #[default]
    Called,
    /// Another object, which is the caller, sent a message: its number among all messages of that object.
    Message(u64),
    /// An alarm of this object, which is the caller, is due.
    Alarm {
        /// Its name.
        name: String,
        /// When it was due: milliseconds since 1970-01-01 00:00 UTC. The same however often it is given.
        due_ms: u64,
    },
}
