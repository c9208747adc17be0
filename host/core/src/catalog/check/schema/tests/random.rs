//! Random schemas and values from fixed seeds: every change that would break a caller is reported, and a change
//! that only relaxes a schema breaks no caller.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use super::super::*;

const ROUNDS: u64 = 2_000;
const NAMES: [&str; 3] = ["a", "b", "c"];
const COLORS: [&str; 4] = ["red", "blue", "green", ""];

fn is_likely(rng: &mut StdRng) -> bool {
    rng.random_range(0..10) < 6
}

fn bounded(rng: &mut StdRng, mut schema: Value, least: &str, most: &str) -> Value {
    let (low, high) = (rng.random_range(0..3), rng.random_range(3..6));
    if !is_likely(rng) {
        schema[least] = json!(low);
    }
    if !is_likely(rng) {
        schema[most] = json!(high);
    }
    schema
}

/// Returns a schema of supported keywords, with closed objects.
fn schema(rng: &mut StdRng, depth: usize) -> Value {
    match rng.random_range(0..if depth == 0 { 5 } else { 9 }) {
        0 => json!({"type": "null"}),
        1 => json!({"type": "boolean"}),
        2 => bounded(rng, json!({"type": "integer"}), "minimum", "maximum"),
        3 => bounded(rng, json!({"type": "string"}), "minLength", "maxLength"),
        4 => {
            let count = rng.random_range(1..=COLORS.len());
            json!({"enum": COLORS.get(..count).unwrap()})
        }
        5 => {
            let list = json!({"type": "array", "items": schema(rng, depth - 1)});
            bounded(rng, list, "minItems", "maxItems")
        }
        6 | 7 => object(rng, depth),
        _ => json!({"anyOf": [schema(rng, depth - 1), schema(rng, depth - 1)]}),
    }
}

fn object(rng: &mut StdRng, depth: usize) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for name in NAMES {
        if is_likely(rng) {
            properties.insert(name.to_owned(), schema(rng, depth - 1));
            if !is_likely(rng) {
                required.push(name);
            }
        }
    }
    json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

/// Returns a value that is likely to fit the schema.
fn value(rng: &mut StdRng, schema: &Value) -> Value {
    if let Some(choice) = schema["anyOf"].as_array().or(schema["enum"].as_array()) {
        let chosen = choice[rng.random_range(0..choice.len())].clone();
        return if schema["enum"].is_array() { chosen } else { value(rng, &chosen) };
    }
    match schema["type"].as_str().unwrap() {
        "null" => Value::Null,
        "boolean" => json!(rng.random_range(0..2) == 0),
        "integer" => json!(rng.random_range(-2..8)),
        "string" => json!("x".repeat(rng.random_range(0..8))),
        "array" => {
            let count = rng.random_range(0..7);
            (0..count).map(|_| value(rng, &schema["items"])).collect()
        }
        _ => {
            let properties = schema["properties"].as_object().unwrap();
            let is_required =
                |name: &String| schema["required"].as_array().unwrap().contains(&json!(name));
            let mut fields = Map::new();
            for (name, schema) in properties {
                if is_required(name) || is_likely(rng) {
                    fields.insert(name.clone(), value(rng, schema));
                }
            }
            Value::Object(fields)
        }
    }
}

/// Whether the value fits; a tolerant reader ignores unknown properties.
fn fits(schema: &Value, value: &Value, is_tolerant: bool) -> bool {
    if let Some(choice) = schema["anyOf"].as_array() {
        return choice.iter().any(|schema| fits(schema, value, is_tolerant));
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.contains(value);
    }
    let is_within = |number: i64, what: [&str; 2]| {
        let [least, most] = what.map(|name| schema[name].as_i64());
        least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most)
    };
    match (schema["type"].as_str().unwrap(), value) {
        ("null", Value::Null) | ("boolean", Value::Bool(_)) => true,
        ("integer", Value::Number(number)) => {
            is_within(number.as_i64().unwrap(), ["minimum", "maximum"])
        }
        ("string", Value::String(text)) => is_within(text.len() as i64, ["minLength", "maxLength"]),
        ("array", Value::Array(items)) => {
            is_within(items.len() as i64, ["minItems", "maxItems"])
                && items.iter().all(|item| fits(&schema["items"], item, is_tolerant))
        }
        ("object", Value::Object(fields)) => {
            let required = schema["required"].as_array().unwrap();
            required.iter().all(|name| fields.contains_key(name.as_str().unwrap()))
                && fields.iter().all(|(name, value)| match schema["properties"].get(name) {
                    Some(schema) => fits(schema, value, is_tolerant),
                    None => is_tolerant,
                })
        }
        _ => false,
    }
}

/// Returns the schema with weaker constraints, at the top or further inside.
fn relaxed(rng: &mut StdRng, old: &Value) -> Value {
    let mut new = old.clone();
    if rng.random_range(0..6) == 0 {
        return json!({"anyOf": [schema(rng, 1), old]});
    }
    for keyword in ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"] {
        if is_likely(rng) {
            new.as_object_mut().unwrap().remove(keyword);
        }
    }
    if let Some(Value::Array(values)) = new.get_mut("enum") {
        values.push(json!("one more"));
    }
    if let Some(Value::Array(required)) = new.get_mut("required") {
        required.pop();
    }
    if let Some(Value::Array(choice)) = new.get_mut("anyOf") {
        *choice = choice.iter().rev().map(|one| relaxed(rng, one)).collect();
    }
    if let Some(items) = new.get_mut("items") {
        *items = relaxed(rng, items);
    }
    if let Some(Value::Object(properties)) = new.get_mut("properties") {
        for schema in properties.values_mut() {
            *schema = relaxed(rng, schema);
        }
        properties.entry("d").or_insert(json!({"type": "null"}));
    }
    new
}

fn each_round(run: impl Fn(&mut StdRng, u64)) {
    for seed in 0..ROUNDS {
        run(&mut StdRng::seed_from_u64(seed), seed);
    }
}

#[test]
fn a_schema_is_compatible_with_itself() {
    each_round(|rng, seed| {
        let (one, same) = {
            let one = schema(rng, 3);
            (one.clone(), one)
        };
        for role in [Role::Taken, Role::Given] {
            let mut steps = Steps::default();
            // `run` would return at once, because the schemas are equal.
            let mut comparison = Comparison::new(role, &one, &same, &mut steps);
            let breaks = comparison.compare(&one, &same, &Place::root());
            assert_eq!(breaks, Vec::<String>::new(), "seed {seed}: {one}");
        }
    });
}

#[test]
fn what_gives_way_breaks_no_caller() {
    each_round(|rng, seed| {
        let old = schema(rng, 3);
        let new = relaxed(rng, &old);
        let breaks = narrowed("it", &old, &new, &mut Steps::default());
        assert_eq!(breaks, Vec::<String>::new(), "seed {seed}: {old} became {new}");
    });
}

#[test]
fn no_argument_that_is_refused_now_is_passed_over() {
    each_round(|rng, seed| {
        let old = schema(rng, 3);
        let new = if seed % 2 == 0 { schema(rng, 3) } else { relaxed(rng, &old) };
        let (old, new) = if seed % 4 == 1 { (new, old) } else { (old, new) };
        let breaks = narrowed("it", &old, &new, &mut Steps::default());
        for _ in 0..20 {
            let value = value(rng, &old);
            let is_refused_now = fits(&old, &value, false) && !fits(&new, &value, false);
            let is_told = !breaks.is_empty() || !is_refused_now;
            assert!(is_told, "seed {seed}: {value} fits {old} and not {new}");
        }
    });
}

#[test]
fn no_reply_that_was_not_promised_is_passed_over() {
    each_round(|rng, seed| {
        let old = schema(rng, 3);
        let new = if seed % 2 == 0 { schema(rng, 3) } else { relaxed(rng, &old) };
        let breaks = widened("it", &old, &new, &mut Steps::default());
        for _ in 0..20 {
            let value = value(rng, &new);
            let is_new = fits(&new, &value, false) && !fits(&old, &value, true);
            let is_told = !breaks.is_empty() || !is_new;
            assert!(is_told, "seed {seed}: {value} fits {new} and not {old}");
        }
    });
}
