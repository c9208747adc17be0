//! Subset check of two JSON Schemas: every value that fits one must fit the other. Arguments that were accepted
//! must still be accepted, and replies must stay within what was promised. The check reads only the schemas, and
//! reports no break in doubt.
//!
//! It supports `type`, `enum`, `const`, `anyOf`, `oneOf`, local `$ref`, `properties`, `required`,
//! `additionalProperties`, `items`, `prefixItems`, and bounds of numbers and lengths. It ignores other keywords,
//! and a schema that depends on them counts as compatible. Two rules are more lenient than JSON Schema. A new
//! optional property is compatible although an open object accepted any value there. A new property of a reply is
//! compatible even if the old schema was closed, because readers ignore unknown properties.
//!
//! Schemas are untrusted input: steps and depth are bounded. Nothing deeper than the bound is compared, and a
//! comparison whose steps are used up must be rejected.

mod limits;
mod messages;
mod objects;
#[cfg(test)]
mod tests;
mod variants;

use std::collections::HashSet;

use serde_json::Value;

use messages::{Place, Role};
use variants::{Alternative, Keywords, Kind};

/// Budget of one comparison of two descriptions, counted in visited alternatives and properties.
pub(super) const STEPS_MAX: u32 = 100_000;
/// Maximum number of lines that are kept for one schema.
const LINES_MAX: usize = 1_000;
/// Maximum depth of a comparison; deeper than any JSON that a call may carry.
const DEPTH_MAX: usize = 64;

/// Remaining budget of a comparison; `None` once it was exceeded.
#[derive(Debug)]
pub(super) struct Steps(Option<u32>);

impl Default for Steps {
    fn default() -> Self {
        Self(Some(STEPS_MAX))
    }
}

impl Steps {
    /// Whether the comparison needed more than its budget, so that its result is incomplete.
    pub(super) fn are_exceeded(&self) -> bool {
        self.0.is_none()
    }

    /// Takes `count` steps from the budget and returns whether it sufficed.
    fn spend(&mut self, count: usize) -> bool {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.0 = self.0.and_then(|left| left.checked_sub(count));
        self.0.is_some()
    }
}

/// Returns one line for each kind of value that `old` accepts and `new` does not. `of` names the subject of the
/// schemas.
pub(super) fn narrowed(of: &str, old: &Value, new: &Value, steps: &mut Steps) -> Vec<String> {
    Comparison::new(Role::Taken, new, old, steps).run(of)
}

/// Returns one line for each kind of value that `new` may return and `old` did not promise. `of` names the subject
/// of the schemas.
pub(super) fn widened(of: &str, old: &Value, new: &Value, steps: &mut Steps) -> Vec<String> {
    Comparison::new(Role::Given, old, new, steps).run(of)
}

/// Comparison that checks whether every value that fits `narrow` also fits `wide`. References are resolved within the
/// schema that contains them.
struct Comparison<'a> {
    role: Role,
    wide: &'a Value,
    narrow: &'a Value,
    steps: &'a mut Steps,
    /// Pairs under comparison further up the stack, for schemas that contain themselves.
    open: HashSet<Pair>,
    /// Pairs that were compared and are compatible.
    fine: HashSet<Pair>,
}

/// Addresses of two schemas in memory, which identify them.
type Pair = (*const Value, *const Value);

impl<'a> Comparison<'a> {
    fn new(role: Role, wide: &'a Value, narrow: &'a Value, steps: &'a mut Steps) -> Self {
        Self { role, wide, narrow, steps, open: HashSet::new(), fine: HashSet::new() }
    }

    fn run(mut self, of: &str) -> Vec<String> {
        if self.wide == self.narrow {
            return Vec::new();
        }
        let breaks = self.compare(self.wide, self.narrow, &Place::root());
        breaks.into_iter().map(|line| format!("{of}: {line}")).collect()
    }

    fn compare(&mut self, wide: &'a Value, narrow: &'a Value, place: &Place) -> Vec<String> {
        // A reference and its target are the same schema.
        let wide = variants::resolved(self.wide, wide).unwrap_or(wide);
        let narrow = variants::resolved(self.narrow, narrow).unwrap_or(narrow);
        let pair = (std::ptr::from_ref(wide), std::ptr::from_ref(narrow));
        let is_done = place.depth() > DEPTH_MAX || self.fine.contains(&pair);
        if is_done || !self.steps.spend(1) || !self.open.insert(pair) {
            return Vec::new();
        }
        let mut breaks = self.compare_parts(wide, narrow, place);
        breaks.truncate(LINES_MAX);
        self.open.remove(&pair);
        if breaks.is_empty() {
            self.fine.insert(pair);
        }
        breaks
    }

    /// A schema with keywords in addition to its alternatives has two parts, and both must hold.
    fn compare_parts(&mut self, wide: &'a Value, narrow: &'a Value, place: &Place) -> Vec<String> {
        let wide = variants::parts(self.wide, wide, self.steps);
        let narrow = variants::parts(self.narrow, narrow, self.steps);
        if wide.len() != narrow.len() {
            return Vec::new();
        }
        let mut breaks = Vec::new();
        for (wide, narrow) in wide.iter().zip(&narrow) {
            breaks.extend(self.compare_alternatives(wide, narrow, place));
        }
        breaks
    }

    fn compare_alternatives(
        &mut self,
        wide: &[Alternative<'a>],
        narrow: &[Alternative<'a>],
        place: &Place,
    ) -> Vec<String> {
        let (mut breaks, mut lost) = (Vec::new(), Vec::new());
        let has_variants = is_choice_of_objects(wide) || is_choice_of_objects(narrow);
        for alternative in narrow {
            if !self.steps.spend(1 + wide.len()) {
                break;
            }
            match alternative {
                Alternative::Unknown => {}
                Alternative::Value(value) => {
                    if !wide.iter().any(|wide| limits::admits(wide, value)) {
                        lost.push(messages::value(value));
                    }
                }
                Alternative::Kind(kind, keywords) => {
                    let variant = Some(*keywords)
                        .filter(|_| has_variants && *kind == Kind::Object)
                        .and_then(objects::label);
                    match candidates(wide, *kind, variant) {
                        Candidates::Any => {}
                        Candidates::None => lost.push(self.words_for(wide, *kind, variant)),
                        Candidates::WholeOnly => lost.push("a number with a fraction".to_owned()),
                        Candidates::These(these) => {
                            breaks.extend(self.compare_with_each(*kind, &these, *keywords, place));
                        }
                    }
                }
            }
        }
        if !lost.is_empty() {
            lost.dedup();
            breaks.insert(0, self.role.lost(place, &lost));
        }
        breaks
    }

    /// Returns no breaks if one of the candidates accepts everything. Otherwise returns the breaks against the
    /// most likely candidate, and among equally likely ones the shortest list.
    fn compare_with_each(
        &mut self,
        kind: Kind,
        candidates: &[Candidate<'a>],
        narrow: Keywords<'a>,
        place: &Place,
    ) -> Vec<String> {
        let mut nearest: Option<(bool, Vec<String>)> = None;
        for Candidate { keywords, is_likely } in candidates {
            let breaks = self.compare_kind(kind, *keywords, narrow, place);
            if breaks.is_empty() {
                return breaks;
            }
            let is_nearer = nearest.as_ref().is_none_or(|(was_likely, fewest)| {
                (!is_likely, breaks.len()) < (!was_likely, fewest.len())
            });
            if is_nearer {
                nearest = Some((*is_likely, breaks));
            }
        }
        nearest.map(|(_, breaks)| breaks).unwrap_or_default()
    }

    fn compare_kind(
        &mut self,
        kind: Kind,
        wide: Keywords<'a>,
        narrow: Keywords<'a>,
        place: &Place,
    ) -> Vec<String> {
        match kind {
            Kind::Null | Kind::Boolean => Vec::new(),
            Kind::Whole | Kind::Number => limits::numbers(self.role, kind, wide, narrow, place),
            Kind::Text => limits::lengths(self.role, "Length", wide, narrow, place),
            Kind::List => self.compare_lists(wide, narrow, place),
            Kind::Object => self.compare_objects(wide, narrow, place),
        }
    }

    fn words_for(&self, wide: &[Alternative<'a>], kind: Kind, variant: Option<&str>) -> String {
        if let Some(variant) = variant {
            return format!("the variant {}", messages::name(variant));
        }
        let is_partly_held = wide.iter().any(|wide| match wide {
            Alternative::Value(value) => kind.has(value),
            Alternative::Unknown | Alternative::Kind(..) => false,
        });
        self.role.kind(kind, is_partly_held)
    }
}

/// Alternatives of the wide schema that could accept all values of a kind.
enum Candidates<'a> {
    /// Unknown alternatives may accept them, or single values cover the kind completely.
    Any,
    /// No alternative does.
    None,
    /// Whole numbers only, although any number may occur.
    WholeOnly,
    /// One of these.
    These(Vec<Candidate<'a>>),
}

/// Alternative of the right kind.
struct Candidate<'a> {
    keywords: Keywords<'a>,
    /// Whether it is the same variant of an enum.
    is_likely: bool,
}

/// Returns the candidates for a kind. `variant` is the name of the object if it is one variant among several.
fn candidates<'a>(wide: &[Alternative<'a>], kind: Kind, variant: Option<&str>) -> Candidates<'a> {
    if wide.iter().any(|wide| matches!(wide, Alternative::Unknown)) || is_counted_out(wide, kind) {
        return Candidates::Any;
    }
    let mut has_whole = false;
    let mut these = Vec::new();
    for wide in wide {
        let Alternative::Kind(wide, keywords) = *wide else { continue };
        has_whole |= wide == Kind::Whole;
        let label = objects::label(keywords).filter(|_| variant.is_some());
        let is_other_variant = label.is_some() && label != variant;
        if (wide == kind || (wide, kind) == (Kind::Number, Kind::Whole)) && !is_other_variant {
            these.push(Candidate { keywords, is_likely: label.is_some() });
        }
    }
    if !these.is_empty() {
        Candidates::These(these)
    } else if kind == Kind::Number && has_whole {
        Candidates::WholeOnly
    } else {
        Candidates::None
    }
}

/// Whether single values list the whole kind, which has few values.
fn is_counted_out(wide: &[Alternative<'_>], kind: Kind) -> bool {
    let has = |wanted: &Value| {
        wide.iter().any(|wide| matches!(wide, Alternative::Value(value) if *value == wanted))
    };
    match kind {
        Kind::Null => has(&Value::Null),
        Kind::Boolean => has(&Value::Bool(true)) && has(&Value::Bool(false)),
        _ => false,
    }
}

fn is_choice_of_objects(alternatives: &[Alternative<'_>]) -> bool {
    let is_object = |one: &&Alternative<'_>| matches!(one, Alternative::Kind(Kind::Object, _));
    alternatives.iter().filter(is_object).count() > 1
}
