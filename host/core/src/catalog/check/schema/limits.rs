//! Bounds of numbers and of the lengths of texts and lists, and whether a single value satisfies them. Patterns
//! and formats of texts are not supported.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::messages::{Bound, Place, Role};
use super::variants::{Alternative, Keywords, Kind};

/// Number of a schema; whole numbers are compared exactly.
#[derive(Debug, Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        let Value::Number(number) = value else { return None };
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map(Self::Whole).or_else(|| number.as_f64().map(Self::Real))
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            _ => self.real().total_cmp(&other.real()),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a bound next to one that is not an integer")]
    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Real(real) => real.fmt(f),
        }
    }
}

/// End of a range.
#[derive(Debug, Clone, Copy)]
struct End {
    number: Number,
    is_strict: bool,
}

impl End {
    /// Returns the tighter of two lower ends; with `toward` reversed, of two upper ends.
    fn tighter(self, other: Self, toward: Ordering) -> Self {
        if other.keeps_to(self, toward) { other } else { self }
    }

    /// Whether every value within this end is also within `other`.
    fn keeps_to(self, other: Self, toward: Ordering) -> bool {
        match self.number.compare(other.number) {
            Ordering::Equal => self.is_strict || !other.is_strict,
            order => order == toward,
        }
    }

    fn admits(self, number: Number, toward: Ordering) -> bool {
        Self { number, is_strict: false }.keeps_to(self, toward)
    }
}

/// Returns the lower and the upper end of the range that the keywords allow.
fn range(kind: Kind, keywords: Keywords<'_>) -> (Option<End>, Option<End>) {
    let end = |name: &str, is_strict: bool| {
        let number = keywords.get(name).and_then(Number::of)?;
        Some(End { number, is_strict })
    };
    let format = keywords.get("format").and_then(Value::as_str).and_then(format_range);
    let of_format = |number: i128| End { number: Number::Whole(number), is_strict: false };
    let format = format.filter(|_| kind == Kind::Whole);
    let tightest = |ends: [Option<End>; 3], toward: Ordering, step: i128| {
        let ends = ends.into_iter().flatten().map(|end| inclusive(end, kind, step));
        ends.reduce(|one, other| one.tighter(other, toward))
    };
    let lower = [
        end("minimum", false),
        end("exclusiveMinimum", true),
        format.map(|(lowest, _)| of_format(lowest)),
    ];
    let upper = [
        end("maximum", false),
        end("exclusiveMaximum", true),
        format.map(|(_, highest)| of_format(highest)),
    ];
    (tightest(lower, Ordering::Greater, 1), tightest(upper, Ordering::Less, -1))
}

/// Replaces a strict end of whole numbers by an inclusive one: more than 3 is at least 4.
fn inclusive(end: End, kind: Kind, step: i128) -> End {
    match (end, kind) {
        (End { number: Number::Whole(number), is_strict: true }, Kind::Whole) => {
            End { number: Number::Whole(number + step), is_strict: false }
        }
        _ => end,
    }
}

/// Returns the range of a whole-number format.
fn format_range(format: &str) -> Option<(i128, i128)> {
    let (is_signed, bits) = match format.strip_prefix('u') {
        Some(rest) => (false, rest.strip_prefix("int")?),
        None => (true, format.strip_prefix("int")?),
    };
    let bits: u32 = bits.parse().ok().filter(|bits| [8, 16, 32, 64].contains(bits))?;
    let (below, above) = (1_i128 << (bits - 1), 1_i128 << bits);
    Some(if is_signed { (-below, below - 1) } else { (0, above - 1) })
}

/// Returns the bounds of the wide schema that the narrow one does not guarantee.
pub(super) fn numbers(
    role: Role,
    kind: Kind,
    wide: Keywords<'_>,
    narrow: Keywords<'_>,
    place: &Place,
) -> Vec<String> {
    let ((wide_lower, wide_upper), (narrow_lower, narrow_upper)) =
        (range(kind, wide), range(kind, narrow));
    let beyond = |wide: Option<End>, narrow: Option<End>, toward: Ordering| {
        wide.filter(|wide| !narrow.is_some_and(|narrow| narrow.keeps_to(*wide, toward)))
    };
    let ends = [
        (beyond(wide_lower, narrow_lower, Ordering::Greater), true),
        (beyond(wide_upper, narrow_upper, Ordering::Less), false),
    ];
    let lines = ends.into_iter().filter_map(|(end, is_lower)| {
        let End { number, is_strict } = end?;
        let limit = number.to_string();
        Some(role.bound(place, &Bound { verb: "be", is_lower, is_strict, limit, unit: "" }))
    });
    lines.collect()
}

/// Returns the length limits of the wide schema that the narrow one does not guarantee: `minLength`, `minItems`
/// and the like.
pub(super) fn lengths(
    role: Role,
    what: &str,
    wide: Keywords<'_>,
    narrow: Keywords<'_>,
    place: &Place,
) -> Vec<String> {
    let unit = if what == "Items" { " items" } else { " characters" };
    let (wide_lower, wide_upper) = length_range(what, wide);
    let (narrow_lower, narrow_upper) = length_range(what, narrow);
    let line = |limit: u64, is_lower: bool| {
        let limit = limit.to_string();
        role.bound(place, &Bound { verb: "have", is_lower, is_strict: false, limit, unit })
    };
    let lower = (wide_lower > narrow_lower).then(|| line(wide_lower, true));
    let upper = wide_upper.filter(|wide| narrow_upper.is_none_or(|narrow| narrow > *wide));
    lower.into_iter().chain(upper.map(|limit| line(limit, false))).collect()
}

/// Returns the minimum and the maximum length.
pub(super) fn length_range(what: &str, keywords: Keywords<'_>) -> (u64, Option<u64>) {
    let number = |side: &str| keywords.get(&format!("{side}{what}")).and_then(Value::as_u64);
    (number("min").unwrap_or(0), number("max"))
}

/// Whether a single value fits an alternative, as far as this can be determined.
pub(super) fn admits(wide: &Alternative<'_>, value: &Value) -> bool {
    let (kind, keywords) = match wide {
        Alternative::Unknown => return true,
        Alternative::Value(wide) => return is_same(wide, value),
        Alternative::Kind(kind, keywords) => (*kind, *keywords),
    };
    if !kind.has(value) {
        return false;
    }
    match value {
        Value::Number(_) => {
            let (lower, upper) = range(kind, keywords);
            let Some(number) = Number::of(value) else { return true };
            lower.is_none_or(|end| end.admits(number, Ordering::Greater))
                && upper.is_none_or(|end| end.admits(number, Ordering::Less))
        }
        Value::String(text) => {
            let (least, most) = length_range("Length", keywords);
            let count = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            count >= least && most.is_none_or(|most| count <= most)
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

/// Whether two values are equal; 1 and 1.0 are the same number.
fn is_same(one: &Value, other: &Value) -> bool {
    match (Number::of(one), Number::of(other)) {
        (Some(one), Some(other)) => one.compare(other) == Ordering::Equal,
        _ => one == other,
    }
}
