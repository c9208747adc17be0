//! Messages about breaking changes: which values no longer fit, and at which path. Names and values are untrusted, so
//! they are quoted and truncated.

use serde_json::Value;

use super::variants::Kind;

/// Maximum length of a displayed name or value, in characters.
const SHOWN_MAX: usize = 60;
/// Length in bytes from which on a path is not extended further.
const PATH_MAX: usize = 300;
/// Maximum number of values named in one line.
const LOST_MAX: usize = 8;

/// Direction in which values pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Given by callers: arguments, and stored states.
    Taken,
    /// Received by callers: replies.
    Given,
}

impl Role {
    /// Describes values that no longer fit.
    pub(super) fn lost(self, place: &Place, lost: &[String]) -> String {
        let mut what = lost.get(..LOST_MAX).unwrap_or(lost).join(" or ");
        if let Some(more_count) = lost.len().checked_sub(LOST_MAX).filter(|count| *count > 0) {
            what.push_str(&format!(" or {more_count} others"));
        }
        match self {
            Self::Taken => format!("{place} no longer accepts {what}"),
            Self::Given => format!("{place} may now be {what}"),
        }
    }

    /// Describes all values of a kind, some of which may still fit.
    pub(super) fn kind(self, kind: Kind, is_partly_held: bool) -> String {
        let (article, noun) = match kind {
            Kind::Null => return "null".to_owned(),
            Kind::Boolean => return "true or false".to_owned(),
            Kind::Whole => ("an", "integer"),
            Kind::Number => ("a", "number"),
            Kind::Text => ("a", "string"),
            Kind::List => ("an", "array"),
            Kind::Object => ("an", "object"),
        };
        match (self, is_partly_held) {
            (_, false) => format!("{article} {noun}"),
            (Self::Taken, true) => format!("every {noun}"),
            (Self::Given, true) => format!("any {noun}"),
        }
    }

    /// Describes a bound that one schema has and the other lacks.
    pub(super) fn bound(self, place: &Place, bound: &Bound<'_>) -> String {
        let Bound { verb, is_lower, is_strict, limit, unit } = bound;
        let limit = format!("{limit}{unit}");
        match (self, is_lower, is_strict) {
            (Self::Taken, true, false) => format!("{place} must now {verb} at least {limit}"),
            (Self::Taken, true, true) => format!("{place} must now {verb} more than {limit}"),
            (Self::Taken, false, false) => format!("{place} must now {verb} at most {limit}"),
            (Self::Taken, false, true) => format!("{place} must now {verb} less than {limit}"),
            (Self::Given, true, false) => format!("{place} may now {verb} less than {limit}"),
            (Self::Given, true, true) => format!("{place} may now {verb} {limit} or less"),
            (Self::Given, false, false) => format!("{place} may now {verb} more than {limit}"),
            (Self::Given, false, true) => format!("{place} may now {verb} {limit} or more"),
        }
    }
}

/// Bound, as described in a message.
#[derive(Debug)]
pub(super) struct Bound<'a> {
    /// Verb of the message: "be" or "have".
    pub(super) verb: &'a str,
    pub(super) is_lower: bool,
    /// Whether the limit itself is excluded.
    pub(super) is_strict: bool,
    pub(super) limit: String,
    /// Unit with a leading space, as in " items".
    pub(super) unit: &'a str,
}

/// Path within a value: `point.x`, `items[].name`, `counts.*`; "it" for the whole value.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: String,
    depth: usize,
}

impl Place {
    pub(super) fn root() -> Self {
        Self { path: String::new(), depth: 0 }
    }

    pub(super) fn property(&self, property: &str) -> Self {
        self.below(&name(property))
    }

    /// Returns the path of any property that is not named.
    pub(super) fn rest(&self) -> Self {
        self.below("*")
    }

    /// Returns the path of all items of a list, or of the item at `index`.
    pub(super) fn item(&self, index: Option<usize>) -> Self {
        let index = index.map(|index| index.to_string()).unwrap_or_default();
        self.longer(&format!("[{index}]"))
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    fn below(&self, step: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.longer(&format!("{dot}{step}"))
    }

    fn longer(&self, step: &str) -> Self {
        let depth = self.depth + 1;
        let path = match self.path.len() {
            0..PATH_MAX => format!("{}{step}", self.path),
            _ if self.path.ends_with('…') => self.path.clone(),
            _ => format!("{}…", self.path),
        };
        Self { path, depth }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.path.is_empty() { "it" } else { &self.path })
    }
}

/// Returns a name as it is, or quoted if it is not a plain word.
pub(super) fn name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= SHOWN_MAX && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// Returns a value as JSON, truncated if it is long.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => "a specific array".to_owned(),
        Value::Object(_) => "a specific object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
