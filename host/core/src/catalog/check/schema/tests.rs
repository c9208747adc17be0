//! Compatible and breaking changes, case by case, with the messages that authors read.

#![expect(
    clippy::needless_pass_by_value,
    reason = "test cases are constructed next to their checks"
)]

mod random;

use serde_json::{Value, json};

use super::*;

/// Checks which arguments callers may no longer send.
#[track_caller]
fn check_argument(old: Value, new: Value, lines: &[&str]) {
    check(narrowed("the argument of a", &old, &new, &mut Steps::default()), "argument", lines);
}

/// Checks which replies callers may now receive.
#[track_caller]
fn check_reply(old: Value, new: Value, lines: &[&str]) {
    check(widened("the reply of a", &old, &new, &mut Steps::default()), "reply", lines);
}

#[track_caller]
fn check(found: Vec<String>, what: &str, lines: &[&str]) {
    let lines: Vec<String> = lines.iter().map(|line| format!("the {what} of a: {line}")).collect();
    assert_eq!(found, lines);
}

/// Returns a struct as the SDK describes it if it rejects unknown fields.
fn closed(properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn text() -> Value {
    json!({"type": "string"})
}

fn colors(names: &[&str]) -> Value {
    let values: Vec<_> = names
        .iter()
        .map(|name| json!({"type": "string", "const": name, "description": "A color."}))
        .collect();
    json!({"oneOf": values})
}

#[test]
fn what_is_the_same_in_other_words_breaks_nothing() {
    for (one, other) in [
        (json!(true), json!({})),
        (json!({"type": "string", "title": "A"}), json!({"description": "b", "type": "string"})),
        (json!({"type": ["string", "null"]}), json!({"anyOf": [{"type": "null"}, text()]})),
        (colors(&["red", "blue"]), json!({"type": "string", "enum": ["blue", "red"]})),
        (json!({"type": "boolean"}), json!({"enum": [true, false]})),
        (json!({"type": "null"}), json!({"const": null})),
        (
            json!({"type": "integer", "minimum": 1}),
            json!({"type": "integer", "exclusiveMinimum": 0}),
        ),
        (
            json!({"type": "integer", "format": "uint8"}),
            json!({"type": "integer", "minimum": 0, "maximum": 255}),
        ),
        (json!({"$ref": "#/$defs/a%20b", "$defs": {"a b": text()}}), text()),
    ] {
        check_argument(one.clone(), other.clone(), &[]);
        check_argument(other.clone(), one.clone(), &[]);
        check_reply(one.clone(), other.clone(), &[]);
        check_reply(other, one, &[]);
    }
}

#[test]
fn a_property_that_is_required_now_breaks_those_who_leave_it_out() {
    let old = closed(json!({"id": text()}), &["id"]);
    let new = closed(json!({"id": text(), "by": text()}), &["id", "by"]);
    check_argument(old.clone(), new.clone(), &["the property by is now required"]);
    let may = closed(json!({"id": text(), "by": text()}), &["id"]);
    check_argument(may.clone(), new.clone(), &["the property by is now required"]);
    check_argument(old, may.clone(), &[]);
    check_argument(new, may, &[]);
}

#[test]
fn a_property_that_is_gone_breaks_those_who_send_it_where_others_are_refused() {
    let old = closed(json!({"id": text(), "by": text()}), &[]);
    check_argument(
        old.clone(),
        closed(json!({"id": text()}), &[]),
        &["the property by is no longer accepted"],
    );
    check_argument(old, json!({"type": "object", "properties": {"id": text()}}), &[]);
}

#[test]
fn an_object_that_closes_breaks_those_who_sent_more() {
    let open = json!({"type": "object", "properties": {"id": text()}});
    let new = closed(json!({"id": text()}), &[]);
    check_argument(open.clone(), new.clone(), &["it no longer accepts unknown properties"]);
    let map = json!({"type": "object", "additionalProperties": text()});
    check_argument(map, new.clone(), &["it no longer accepts properties of any name"]);
    check_argument(new.clone(), open.clone(), &[]);
    check_reply(new, open, &[]);
}

#[test]
fn a_reply_may_have_more_properties_and_none_less() {
    let old = closed(json!({"id": text(), "by": text()}), &["id", "by"]);
    let more = closed(json!({"id": text(), "by": text(), "at": text()}), &["id", "by", "at"]);
    check_reply(old.clone(), more, &[]);
    let gone = closed(json!({"id": text()}), &["id"]);
    check_reply(old.clone(), gone, &["the property by is gone"]);
    let may = closed(json!({"id": text(), "by": text()}), &["id"]);
    check_reply(old, may, &["the property by may now be left out"]);
}

#[test]
fn kinds_that_are_lost_or_won_are_named() {
    let (text, null) = (text(), json!({"type": ["string", "null"]}));
    check_argument(null.clone(), text.clone(), &["it no longer accepts null"]);
    check_reply(text.clone(), null.clone(), &["it may now be null"]);
    check_argument(text.clone(), null, &[]);
    check_argument(text.clone(), json!({"type": "boolean"}), &["it no longer accepts a string"]);
    check_reply(text.clone(), json!({"type": "boolean"}), &["it may now be true or false"]);
    let all = "it no longer accepts null or true or false or a number or an array or an object";
    check_argument(json!(true), text.clone(), &[all]);
    check_argument(text, json!(false), &["it no longer accepts a string"]);
    let (whole, number) = (json!({"type": "integer"}), json!({"type": "number"}));
    check_argument(whole.clone(), number.clone(), &[]);
    check_argument(number, whole, &["it no longer accepts a number with a fraction"]);
}

#[test]
fn values_of_an_enum_that_are_lost_or_won_are_named() {
    let (two, three) = (colors(&["red", "blue"]), colors(&["red", "blue", "dark green"]));
    check_argument(two.clone(), three.clone(), &[]);
    check_argument(three.clone(), two.clone(), &["it no longer accepts \"dark green\""]);
    check_reply(two.clone(), three.clone(), &["it may now be \"dark green\""]);
    check_reply(three, two.clone(), &[]);
    check_argument(text(), two.clone(), &["it no longer accepts every string"]);
    check_reply(two.clone(), text(), &["it may now be any string"]);
    check_argument(two, text(), &[]);
    let numbers: Vec<_> = (0..20).collect();
    check_argument(
        json!({"enum": numbers}),
        json!({"type": "integer", "maximum": 9.5}),
        &["it no longer accepts 10 or 11 or 12 or 13 or 14 or 15 or 16 or 17 or 2 others"],
    );
    check_argument(
        json!({"const": "four"}),
        json!({"type": "string", "maxLength": 3}),
        &["it no longer accepts \"four\""],
    );
}

#[test]
fn bounds_of_numbers_are_compared() {
    let number = |keyword: &str, bound: Value| json!({"type": "number", keyword: bound});
    let any = json!({"type": "number"});
    for (keyword, bound, taken, given) in [
        ("minimum", json!(3), "it must now be at least 3", "it may now be less than 3"),
        ("maximum", json!(0.5), "it must now be at most 0.5", "it may now be more than 0.5"),
        ("exclusiveMinimum", json!(3), "it must now be more than 3", "it may now be 3 or less"),
        ("exclusiveMaximum", json!(3), "it must now be less than 3", "it may now be 3 or more"),
    ] {
        check_argument(any.clone(), number(keyword, bound.clone()), &[taken]);
        check_argument(number(keyword, bound.clone()), any.clone(), &[]);
        check_reply(number(keyword, bound.clone()), any.clone(), &[given]);
        check_reply(any.clone(), number(keyword, bound), &[]);
    }
    let format = |name: &str| json!({"type": "integer", "format": name});
    check_argument(format("uint32"), format("uint64"), &[]);
    check_argument(format("uint64"), format("uint32"), &["it must now be at most 4294967295"]);
    check_reply(
        format("uint8"),
        format("int16"),
        &["it may now be less than 0", "it may now be more than 255"],
    );
    check_argument(
        json!({"type": "integer", "maximum": u64::MAX}),
        json!({"type": "integer", "maximum": u64::MAX - 1}),
        &["it must now be at most 18446744073709551614"],
    );
}

#[test]
fn lengths_are_compared() {
    let named = |length: u64| json!({"type": "string", "minLength": 1, "maxLength": length});
    check_argument(named(9), named(5), &["it must now have at most 5 characters"]);
    check_argument(
        text(),
        named(5),
        &["it must now have at least 1 characters", "it must now have at most 5 characters"],
    );
    check_reply(named(5), named(9), &["it may now have more than 5 characters"]);
    check_argument(named(5), named(9), &[]);
}

#[test]
fn items_are_compared_and_so_are_the_parts_of_a_tuple() {
    let list = |items: Value| json!({"type": "array", "items": items});
    let tuple = |parts: &[Value]| {
        let count = parts.len();
        json!({"type": "array", "prefixItems": parts, "minItems": count, "maxItems": count})
    };
    let nullable = json!({"type": ["string", "null"]});
    check_argument(list(nullable.clone()), list(text()), &["[] no longer accepts null"]);
    check_reply(list(text()), list(nullable.clone()), &["[] may now be null"]);
    check_argument(
        tuple(&[text(), nullable]),
        tuple(&[text(), text()]),
        &["[1] no longer accepts null"],
    );
    check_argument(tuple(&[text(), text()]), list(text()), &[]);
    check_argument(
        tuple(&[text()]),
        tuple(&[text(), text()]),
        &["it must now have at least 2 items"],
    );
    check_argument(list(text()), json!({"type": "array"}), &[]);
    check_argument(
        json!({"type": "array"}),
        list(json!(false)),
        &[
            "[] no longer accepts null or true or false or a number or a string or an array or an object",
        ],
    );
}

#[test]
fn the_place_of_a_break_is_a_path() {
    let nested = |inner: Value| {
        let map = json!({"type": "object", "additionalProperties": inner});
        let list = json!({"type": "array", "items": closed(json!({"by name": map}), &[])});
        closed(json!({"lists": list}), &[])
    };
    let nullable = json!({"type": ["string", "null"]});
    check_argument(
        nested(nullable),
        nested(text()),
        &["lists[].\"by name\".* no longer accepts null"],
    );
}

#[test]
fn variants_that_are_lost_or_won_are_named_and_others_are_compared() {
    let circle = |radius: Value| closed(json!({"circle": radius}), &["circle"]);
    let square = closed(json!({"square": text()}), &["square"]);
    let old = json!({"oneOf": [circle(text()), square]});
    let new = json!({"oneOf": [circle(text()), closed(json!({"oval": text()}), &["oval"])]});
    check_argument(old.clone(), new.clone(), &["it no longer accepts the variant square"]);
    check_reply(old.clone(), new, &["it may now be the variant oval"]);
    let new = json!({"oneOf": [circle(json!({"type": "number"})), square]});
    check_argument(old, new, &["circle no longer accepts a string"]);
    let tagged = |kind: &str, more: Value| {
        let mut properties = json!({"kind": {"type": "string", "const": kind}});
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"type": "object", "properties": properties, "required": ["kind"]})
    };
    let (a, b) = (tagged("a", json!({"x": text()})), tagged("b", json!({"x": text()})));
    let old = json!({"oneOf": [a, b]});
    let new = json!({"oneOf": [b, tagged("a", json!({"x": {"type": "number"}}))]});
    check_argument(old.clone(), new, &["x no longer accepts a string"]);
    check_argument(old, json!({"oneOf": [b]}), &["it no longer accepts the variant a"]);
}

#[test]
fn an_optional_definition_is_one() {
    let defs = json!({"Point": closed(json!({"x": {"type": "integer"}}), &["x"])});
    let plain = json!({"$ref": "#/$defs/Point", "$defs": defs, "description": "A point."});
    let optional = json!({"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}], "$defs": defs});
    check_argument(plain.clone(), optional.clone(), &[]);
    check_argument(optional, plain, &["it no longer accepts null"]);
}

#[test]
fn keywords_beside_a_choice_are_compared_beside_it() {
    let flattened = |names: &[&str], required: &[&str]| {
        json!({
            "type": "object", "properties": {"id": text()}, "required": required,
            "unevaluatedProperties": false,
            "oneOf": names.iter().map(|name| closed(json!({*name: text()}), &[name])).collect::<Vec<_>>(),
        })
    };
    check_argument(
        flattened(&["a", "b"], &[]),
        flattened(&["a"], &["id"]),
        &["the property id is now required", "it no longer accepts the variant b"],
    );
}

#[test]
fn what_is_not_understood_is_passed_over() {
    for (old, new) in [
        (text(), json!({"type": "string", "pattern": "^a$", "format": "email"})),
        (text(), json!({"allOf": [{"type": "null"}]})),
        (json!({"allOf": [{"type": "null"}]}), text()),
        (text(), json!({"$ref": "https://example.org/schema"})),
        (text(), json!({"$ref": "#/$defs/nowhere"})),
        (json!({"type": "integer"}), json!({"type": "integer", "not": {"const": 0}})),
        (json!(true), json!({"not": {"type": "null"}})),
        (text(), json!({"type": "text"})),
        (
            closed(json!({"7": text()}), &[]),
            json!({"type": "object", "patternProperties": {"^\\d+$": text()}, "additionalProperties": false}),
        ),
        (text(), json!({"anyOf": [text()], "oneOf": [{"type": "null"}]})),
    ] {
        check_argument(old, new, &[]);
    }
    // The supported keywords next to unsupported ones still count.
    let new = json!({"type": "integer", "pattern": "^a$"});
    check_argument(text(), new, &["it no longer accepts a string"]);
}

#[test]
fn schemas_that_contain_themselves_come_to_an_end() {
    let tree = |leaf: Value| {
        let node = closed(
            json!({"leaf": leaf, "below": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}),
            &["leaf"],
        );
        json!({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    };
    check_argument(tree(text()), tree(text()), &[]);
    check_argument(
        tree(text()),
        tree(json!({"type": "null"})),
        &["leaf no longer accepts a string"],
    );
    let itself = json!({"$ref": "#"});
    check_argument(text(), itself.clone(), &[]);
    check_argument(itself, json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}), &[]);
}

#[test]
fn schemas_that_grow_without_end_cost_a_bounded_number_of_steps() {
    let level = |kind: &str, index: usize| {
        let next = json!({"$ref": format!("#/$defs/{}", index + 1)});
        match kind {
            "union" => json!({"anyOf": [next, next]}),
            "object" => json!({"anyOf": [
                closed(json!({"a": next, "b": next}), &[]),
                closed(json!({"a": next, "c": next}), &[]),
            ]}),
            _ => json!({"type": "array", "items": next}),
        }
    };
    // The lists are only deep; the other schemas double with each level.
    for (kind, depth, is_exhausting) in
        [("union", 2_000, true), ("object", 30, true), ("list", 2_000, false)]
    {
        let schema = |leaf: Value| {
            let mut defs: serde_json::Map<_, _> =
                (0..depth).map(|index| (index.to_string(), level(kind, index))).collect();
            defs.insert(depth.to_string(), leaf);
            json!({"$ref": "#/$defs/0", "$defs": defs})
        };
        let (old, new) = (schema(text()), schema(json!({"type": "null"})));
        let mut steps = Steps::default();
        let found = narrowed("it", &old, &new, &mut steps);
        assert_eq!(steps.are_exceeded(), is_exhausting, "{kind}");
        assert!(found.len() <= LINES_MAX, "{kind}: {}", found.len());
    }
    // Nothing is compared once the budget is used up.
    assert_eq!(narrowed("it", &text(), &json!(false), &mut Steps(None)), Vec::<String>::new());
}

#[test]
fn names_and_values_of_strangers_are_quoted_and_cut() {
    let long = "x".repeat(100);
    let new = closed(json!({"\u{1b}[31m": text(), long.as_str(): text()}), &["\u{1b}[31m", &long]);
    let shown = format!("the property \"{}\"… is now required", "x".repeat(60));
    check_argument(
        closed(json!({}), &[]),
        new,
        &["the property \"\\u{1b}[31m\" is now required", &shown],
    );
}
