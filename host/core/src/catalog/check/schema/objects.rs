//! Comparison of objects and lists, property by property and item by item, and the labels of variants. Property
//! names given by a pattern are not supported.

use std::collections::HashSet;

use serde_json::Value;

use super::messages::{Place, Role};
use super::variants::Keywords;
use super::{Comparison, limits};

/// Schema that stands in for a missing one.
static ANYTHING: Value = Value::Bool(true);

/// Rule of an object for properties that it does not name.
#[derive(Clone, Copy)]
enum Rest<'a> {
    /// No rule, or an unsupported one.
    Unsaid,
    /// Such properties are rejected.
    Closed,
    /// Such properties must fit this schema.
    Fits(&'a Value),
}

impl<'a> Rest<'a> {
    fn of(keywords: Keywords<'a>) -> Self {
        let is_unclear = ["patternProperties", "propertyNames", "unevaluatedProperties"]
            .iter()
            .any(|name| keywords.get(name).is_some());
        match keywords.get("additionalProperties").filter(|_| !is_unclear) {
            None => Self::Unsaid,
            Some(Value::Bool(false)) => Self::Closed,
            Some(schema) => Self::Fits(schema),
        }
    }
}

/// Returns the label of a variant within its enum: the text of its tag, or the name of its only property.
pub(super) fn label(keywords: Keywords<'_>) -> Option<&str> {
    let properties = keywords.properties()?;
    let constant = |name: &str| properties.get(name)?.get("const")?.as_str();
    if let Some(tag) = keywords.required().find_map(constant) {
        return Some(tag);
    }
    let mut required = keywords.required();
    let only = required.next().filter(|_| required.next().is_none() && properties.len() == 1)?;
    properties.contains_key(only).then_some(only)
}

impl<'a> Comparison<'a> {
    pub(super) fn compare_objects(
        &mut self,
        wide: Keywords<'a>,
        narrow: Keywords<'a>,
        place: &Place,
    ) -> Vec<String> {
        let mut breaks = self.compare_required(wide, narrow, place);
        let rest = Rest::of(wide);
        for (name, given) in narrow.properties().into_iter().flatten() {
            if !self.steps.spend(1) {
                break;
            }
            let place = place.property(name);
            match (wide.properties().and_then(|known| known.get(name)), rest) {
                (Some(schema), _) | (None, Rest::Fits(schema)) => {
                    breaks.extend(self.compare(schema, given, &place));
                }
                (None, Rest::Closed)
                    if self.role == Role::Taken && *given != Value::Bool(false) =>
                {
                    breaks.push(format!("the property {place} is no longer accepted"));
                }
                (None, Rest::Closed | Rest::Unsaid) => {}
            }
        }
        breaks.extend(self.compare_rest(rest, narrow, place));
        breaks
    }

    fn compare_required(
        &mut self,
        wide: Keywords<'a>,
        narrow: Keywords<'a>,
        place: &Place,
    ) -> Vec<String> {
        let always: HashSet<&str> = narrow.required().collect();
        if !self.steps.spend(always.len() + wide.list("required").len()) {
            return Vec::new();
        }
        let missing = wide.required().filter(|name| !always.contains(name));
        let lines = missing.map(|name| {
            let is_known = narrow.properties().is_some_and(|known| known.contains_key(name));
            let place = place.property(name);
            match (self.role, is_known) {
                (Role::Taken, _) => format!("the property {place} is now required"),
                (Role::Given, true) => format!("the property {place} may now be left out"),
                (Role::Given, false) => format!("the property {place} is gone"),
            }
        });
        lines.collect()
    }

    fn compare_rest(&mut self, wide: Rest<'a>, narrow: Keywords<'a>, place: &Place) -> Vec<String> {
        match (wide, Rest::of(narrow)) {
            (Rest::Fits(wide), Rest::Fits(narrow)) => self.compare(wide, narrow, &place.rest()),
            (Rest::Closed, Rest::Fits(_)) if self.role == Role::Taken => {
                vec![format!("{place} no longer accepts properties of any name")]
            }
            (Rest::Closed, Rest::Unsaid) if self.role == Role::Taken && is_open(narrow) => {
                vec![format!("{place} no longer accepts unknown properties")]
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn compare_lists(
        &mut self,
        wide: Keywords<'a>,
        narrow: Keywords<'a>,
        place: &Place,
    ) -> Vec<String> {
        let mut breaks = limits::lengths(self.role, "Items", wide, narrow, place);
        let (_, longest) = limits::length_range("Items", narrow);
        let (wide_first, narrow_first) = (wide.list("prefixItems"), narrow.list("prefixItems"));
        let wide_items = wide.get("items").unwrap_or(&ANYTHING);
        let narrow_items = narrow.get("items").unwrap_or(&ANYTHING);
        let count = wide_first.len().max(narrow_first.len());
        let is_within = |index: usize| longest.is_none_or(|longest| (index as u64) < longest);
        for index in (0..count).take_while(|index| is_within(*index)) {
            let wide = wide_first.get(index).unwrap_or(wide_items);
            let narrow = narrow_first.get(index).unwrap_or(narrow_items);
            breaks.extend(self.compare(wide, narrow, &place.item(Some(index))));
        }
        if is_within(count) {
            breaks.extend(self.compare(wide_items, narrow_items, &place.item(None)));
        }
        breaks
    }
}

/// Whether the keywords have no rule for unnamed properties, so that these are accepted.
fn is_open(keywords: Keywords<'_>) -> bool {
    ["additionalProperties", "patternProperties", "propertyNames", "unevaluatedProperties"]
        .iter()
        .all(|name| keywords.get(name).is_none())
}
