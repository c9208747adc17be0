//! How breaks are put into words: what no longer fits, and where. Names and values come from strangers, so that they
//! are quoted and cut. What a break is, is not decided here.

use serde_json::Value;

use super::alternatives::Kind;

/// Longest name or value that is shown, in characters.
const SHOWN_MAX: usize = 60;
/// From this length on, in bytes, a path is not written out further.
const PATH_MAX: usize = 300;
/// How many values are named in one line.
const LOST_MAX: usize = 8;

/// What becomes of the values whose schemas are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Callers give them: arguments, and stored states.
    Taken,
    /// Callers get them: replies.
    Given,
}

impl Role {
    /// Values that no longer fit.
    pub(super) fn lost(self, place: &Place, lost: &[String]) -> String {
        let mut what = lost.get(..LOST_MAX).unwrap_or(lost).join(" or ");
        if let Some(more_count) = lost.len().checked_sub(LOST_MAX).filter(|count| *count > 0) {
            what.push_str(&format!(" or {more_count} others"));
        }
        match self {
            Self::Taken => format!("{place} no longer accepts {what}"),
            Self::Given => format!("{place} may be {what} now"),
        }
    }

    /// All values of a kind, of which a part may fit.
    pub(super) fn kind(self, kind: Kind, is_partly_held: bool) -> String {
        let (article, noun) = match kind {
            Kind::Null => return "null".to_owned(),
            Kind::Boolean => return "true or false".to_owned(),
            Kind::Whole => ("a", "whole number"),
            Kind::Number => ("a", "number"),
            Kind::Text => ("a", "text"),
            Kind::List => ("a", "list"),
            Kind::Object => ("an", "object"),
        };
        match (self, is_partly_held) {
            (_, false) => format!("{article} {noun}"),
            (Self::Taken, true) => format!("every {noun}"),
            (Self::Given, true) => format!("any {noun}"),
        }
    }

    /// A bound that values keep to on one side and need not on the other.
    pub(super) fn bound(self, place: &Place, bound: &Bound<'_>) -> String {
        let Bound { verb, is_lower, is_strict, limit, unit } = bound;
        let limit = format!("{limit}{unit}");
        match (self, is_lower, is_strict) {
            (Self::Taken, true, false) => format!("{place} must {verb} at least {limit} now"),
            (Self::Taken, true, true) => format!("{place} must {verb} more than {limit} now"),
            (Self::Taken, false, false) => format!("{place} must {verb} at most {limit} now"),
            (Self::Taken, false, true) => format!("{place} must {verb} less than {limit} now"),
            (Self::Given, true, false) => format!("{place} may {verb} less than {limit} now"),
            (Self::Given, true, true) => format!("{place} may {verb} {limit} or less now"),
            (Self::Given, false, false) => format!("{place} may {verb} more than {limit} now"),
            (Self::Given, false, true) => format!("{place} may {verb} {limit} or more now"),
        }
    }
}

/// A bound in words.
#[derive(Debug)]
pub(super) struct Bound<'a> {
    /// What the values do: "be" or "have".
    pub(super) verb: &'a str,
    pub(super) is_lower: bool,
    /// Whether the limit itself lies beyond it.
    pub(super) is_strict: bool,
    pub(super) limit: String,
    /// As in " items".
    pub(super) unit: &'a str,
}

/// Where in a value something is: `point.x`, `items[].name`, `counts.*`; "it" for the whole.
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

    /// Any property that is not named.
    pub(super) fn rest(&self) -> Self {
        self.below("*")
    }

    /// All items of a list, or the one at `index`.
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

/// A name as it is, or in quotes where it is no plain word.
pub(super) fn name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= SHOWN_MAX && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A value as JSON, cut where it is long.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => "a certain list".to_owned(),
        Value::Object(_) => "a certain object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
