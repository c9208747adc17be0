//! Accepted and rejected JSON.

use std::collections::BTreeMap;
use std::fmt::Debug;

use highlander_macros::data;
use serde::de::DeserializeOwned;

use super::{read, read_reply};
use crate::Json;

#[data]
struct Page {
    number: u8,
    note: Option<String>,
    kind: Kind,
}

#[data]
#[derive(PartialOrd, Eq, Ord)]
enum Kind {
    Blank,
    Drawn { by: String },
    Glued(u8, u8),
}

/// Deserialized through a value without a type.
#[data]
#[serde(untagged)]
enum Amount {
    Whole(u64),
    Part(f64),
}

#[data]
struct Sum {
    total: u128,
    change: i128,
    by_day: BTreeMap<u64, i64>,
}

#[track_caller]
fn reads<T: DeserializeOwned + PartialEq + Debug>(json: &str, expected: &T) {
    assert_eq!(&read::<T>(json.as_bytes()).unwrap(), expected);
    assert_eq!(&read_reply::<T>(json.as_bytes()).unwrap(), expected);
}

#[track_caller]
fn reads_reply<T: DeserializeOwned + PartialEq + Debug>(json: &str, expected: &T) {
    assert_eq!(&read_reply::<T>(json.as_bytes()).unwrap(), expected);
}

/// Asserts that every reader rejects the JSON with this text.
#[track_caller]
fn refuses<T: DeserializeOwned + Debug>(json: &str, why: &str) {
    for read in [read::<T>, read_reply::<T>] {
        let error = read(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{json}: {error}");
    }
}

fn page(kind: Kind) -> Page {
    Page { number: 1, note: None, kind }
}

#[test]
fn fields_that_nobody_knows_are_passed_over_in_replies_at_every_depth() {
    reads_reply(r#"{"number":1,"kind":"blank","size":[3]}"#, &page(Kind::Blank));
    let drawn = Kind::Drawn { by: "ada".to_owned() };
    reads_reply(
        r#"[{"number":1,"kind":{"drawn":{"by":"ada","at":5}},"\u0078":1}]"#,
        &vec![page(drawn)],
    );
    reads_reply(
        r#"{"a":{"number":1,"kind":{"glued":[1,2]},"x":{"number":"y"}}}"#,
        &BTreeMap::from([("a".to_owned(), page(Kind::Glued(1, 2)))]),
    );
}

#[test]
fn fields_that_nobody_knows_are_refused_in_arguments() {
    for json in [r#"{"number":1,"kind":"blank","size":[3]}"#, r#"{"kind":{"drawn":{"at":5}}}"#] {
        let error = read::<Page>(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{error}");
    }
}

#[test]
fn keys_of_maps_are_what_they_are_in_the_map() {
    reads(r#"{"3":true}"#, &BTreeMap::from([(3_u64, true)]));
    reads(r#"{"-3":1.5}"#, &BTreeMap::from([(-3_i32, 1.5)]));
    reads(r#"{"blank":null}"#, &BTreeMap::from([(Kind::Blank, None::<u8>)]));
    let large = BTreeMap::from([(u128::MAX, 1_u8)]);
    reads(r#"{"340282366920938463463374607431768211455":1}"#, &large);
}

#[test]
fn what_does_not_fit_is_refused() {
    for json in [
        r#"{"number":300,"kind":"blank"}"#,
        r#"{"number":1}"#,
        r#"{"number":1,"kind":{}}"#,
        "7",
        "{",
        "",
        r#"{"number":1,"kind":"blank"} 1"#,
    ] {
        assert!(read::<Page>(json.as_bytes()).is_err(), "{json}");
        assert!(read_reply::<Page>(json.as_bytes()).is_err(), "{json}");
    }
    refuses::<BTreeMap<u64, u8>>(r#"{"x":1}"#, "expected");
    refuses::<u64>("\"five\"", r#"invalid type: string "five", expected u64"#);
    refuses::<u64>("-5", "invalid value: integer `-5`, expected u64");
    refuses::<u8>("300", "invalid value: integer `300`, expected u8");
    refuses::<Vec<u8>>("[1, null]", "invalid type: null, expected u8");
    refuses::<u64>("5.5", "invalid type: floating point `5.5`, expected u64");
}

#[test]
fn integers_of_any_size_are_read_exactly() {
    let sum = Sum { total: u128::MAX, change: i128::MIN, by_day: BTreeMap::from([(7, i64::MIN)]) };
    let json = serde_json::to_string(&sum).unwrap();
    reads(&json, &sum);
    reads_reply(&json.replace("{\"total\"", "{\"more\":1,\"total\""), &sum);
    refuses::<u128>("340282366920938463463374607431768211456", "the number 3402823669");
}

#[test]
fn an_integer_is_one_by_its_value() {
    reads("5.0", &5_u8);
    reads("[5.0, -3e0, 12e1, -0]", &vec![5_i64, -3, 120, 0]);
    reads("18446744073709551615.0", &u64::MAX);
    reads("340282366920938463463374607431768211455.00", &u128::MAX);
    refuses::<u8>("256.0", "integer `256`, expected u8");
    // Both would be 5 as floats.
    refuses::<u8>("4.99999999999999999999", "the number 4.99999999999999999999");
    refuses::<u8>("5.00000000000000000001", "the number 5.00000000000000000001");
}

#[test]
fn what_has_no_type_is_read_exactly_or_refused() {
    let json = serde_json::json!({ "a": [1, null, "x", { "b": 1.5 }], "c": u64::MAX });
    reads(&json.to_string(), &json);
    reads("-0", &serde_json::json!(-0.0));
    let again = |text: &str| read::<Json>(text.as_bytes()).unwrap().to_string();
    assert_eq!(
        (again("0.1"), again("-0.0"), again("1.50")),
        ("0.1".into(), "-0.0".into(), "1.5".into())
    );
    for number in ["18446744073709551616", "-9223372036854775809", "0.12345678901234567890123"] {
        refuses::<Json>(number, &format!("the number {number} would be rounded"));
        refuses::<Vec<Json>>(&format!("[1, {number}]"), "would be rounded");
        refuses::<Option<Json>>(&format!("{{\"a\": {number}}}"), "would be rounded");
    }
    refuses::<Json>("1e400", "the number 1e400");
    reads("5", &Amount::Whole(5));
    reads("5.5", &Amount::Part(5.5));
    refuses::<Amount>("18446744073709551616", "would be rounded");
}

#[test]
fn a_name_that_stands_twice_is_refused_wherever_it_is() {
    refuses::<Json>(r#"{"a":1,"a":1}"#, r#"the name "a" occurs twice"#);
    refuses::<Json>(r#"[{"x":{"b":1,"c":{},"b":[]}}]"#, r#"the name "b" occurs twice"#);
    refuses::<Json>(r#"{"a":1,"\u0061":2}"#, r#"the name "a" occurs twice"#);
    refuses::<BTreeMap<String, u8>>(r#"{"a":1,"b":2,"a":3}"#, "occurs twice");
    refuses::<Page>(r#"{"number":1,"kind":"blank","number":2}"#, "occurs twice");
    refuses::<Page>(r#"{"number":1,"kind":"blank","x":1,"x":2}"#, "");
    let fine = r#"{"a":{"a":["a","a"],"b":{"a":1}},"b":"\"a\":1,\"a\"","c":[{"a":1},{"a":1}]}"#;
    reads(fine, &serde_json::from_str::<Json>(fine).unwrap());
}

#[test]
fn text_that_is_no_json_is_refused_without_harm() {
    for text in ["{\"a", "\"\\", "}", "]]", "{\"a\":1,", "[{\"a\":1,\"a\"", "{{}}", ",\"a\",", "\\"]
    {
        assert!(read::<Json>(text.as_bytes()).is_err(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(read::<Json>(deep.as_bytes()).is_err());
}
