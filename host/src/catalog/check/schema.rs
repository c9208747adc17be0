//! Whether everything that fits one JSON Schema fits another: what was accepted still is, and what is given was
//! promised. It compares what the schemas say alone, and in doubt says nothing.
//!
//! Understood are `type`, `enum`, `const`, `anyOf`, `oneOf`, local `$ref`, `properties`, `required`,
//! `additionalProperties`, `items`, `prefixItems`, bounds of numbers and lengths. Other keywords are passed over, and a
//! schema that only makes sense with them is taken to fit. Two rules are kinder than the letter: a new property that
//! may be left out is no break though an open object accepted any value there, and a new property of a reply is none
//! though the old schema was closed, because who reads a reply passes over what it does not know.
//!
//! Schemas come from strangers: steps and depth are bounded, and what lies beyond is not compared.

mod alternatives;
mod limits;
mod objects;
#[cfg(test)]
mod tests;
mod words;

use std::collections::HashSet;

use serde_json::Value;

use alternatives::{Alternative, Keywords, Kind};
use words::{Place, Role};

/// What one comparison of two descriptions may cost, in alternatives and properties looked at.
const STEPS_MAX: u32 = 200_000;
/// How many lines are kept of one schema.
const LINES_MAX: usize = 1_000;
/// How deep a comparison goes; deeper than any JSON that a call may carry.
const DEPTH_MAX: usize = 64;

/// What is left of the work that a comparison may be.
#[derive(Debug)]
pub(super) struct Steps(u32);

impl Default for Steps {
    fn default() -> Self {
        Self(STEPS_MAX)
    }
}

impl Steps {
    /// Whether there is enough left for this much more.
    fn spend(&mut self, count: usize) -> bool {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let left = self.0.checked_sub(count);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// What `old` accepts and `new` does not, one line for each. `of` names whose schemas they are.
pub(super) fn narrowed(of: &str, old: &Value, new: &Value, steps: &mut Steps) -> Vec<String> {
    Comparison::new(Role::Taken, new, old, steps).run(of)
}

/// What `new` may give and `old` did not promise, one line for each. `of` names whose schemas they are.
pub(super) fn widened(of: &str, old: &Value, new: &Value, steps: &mut Steps) -> Vec<String> {
    Comparison::new(Role::Given, old, new, steps).run(of)
}

/// Whether what fits `narrow` fits `wide`. Each value of a schema is looked up in its own root.
struct Comparison<'a> {
    role: Role,
    wide: &'a Value,
    narrow: &'a Value,
    steps: &'a mut Steps,
    /// Pairs that are being compared further up: a schema that contains itself.
    open: HashSet<Pair>,
    /// Pairs that were compared, without a break.
    fine: HashSet<Pair>,
}

/// Where two schemas are in memory, which says which they are.
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
        // A reference and what it refers to are the same.
        let wide = alternatives::resolved(self.wide, wide).unwrap_or(wide);
        let narrow = alternatives::resolved(self.narrow, narrow).unwrap_or(narrow);
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

    /// A schema with keywords beside its alternatives has two parts, each of which must hold.
    fn compare_parts(&mut self, wide: &'a Value, narrow: &'a Value, place: &Place) -> Vec<String> {
        let wide = alternatives::parts(self.wide, wide, self.steps);
        let narrow = alternatives::parts(self.narrow, narrow, self.steps);
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
                        lost.push(words::value(value));
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
                            let narrow = (*kind, *keywords);
                            breaks.extend(self.compare_with_each(&these, narrow, place));
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

    /// None where one of the candidates takes it all. Else the breaks against the likeliest, and of those the one that
    /// has the fewest.
    fn compare_with_each(
        &mut self,
        candidates: &[Candidate<'a>],
        (kind, narrow): (Kind, Keywords<'a>),
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
            return format!("the variant {}", words::name(variant));
        }
        let is_partly_held = wide.iter().any(|wide| match wide {
            Alternative::Value(value) => kind.has(value),
            Alternative::Unknown | Alternative::Kind(..) => false,
        });
        self.role.kind(kind, is_partly_held)
    }
}

/// Which alternatives of the wide schema could take all values of a kind.
enum Candidates<'a> {
    /// Nobody knows, or all values that there are stand one by one.
    Any,
    /// None does.
    None,
    /// Whole numbers only, where any number may come.
    WholeOnly,
    /// One of these.
    These(Vec<Candidate<'a>>),
}

/// An alternative of the right kind.
struct Candidate<'a> {
    keywords: Keywords<'a>,
    /// Whether it is the same variant of an enum.
    is_likely: bool,
}

/// `variant` is the name of the object where it is one variant among several.
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

/// Whether all values of the kind, which has few, stand there one by one.
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
