//! Calls of an object from JSON to JSON: arguments, replies, rejections, and the state after each call.

use highlander_sdk::prelude::*;
use highlander_sdk::testing::Harness;
use highlander_sdk::{HandlerKind, LogLevel};

/// A place on a map.
#[data]
struct Point {
    x: i64,
    y: i64,
}

/// Application error of the map.
enum Refusal {
    Full,
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Rejection {
        match refusal {
            Refusal::Full => Rejection::new("full", "there is no room left"),
        }
    }
}

/// Places and the scale of the map.
#[derive(ObjectState)]
struct Map {
    /// All places.
    points: Vec<Point>,
    #[state(default = 1.5)]
    scale: f64,
}

/// A map to look at.
#[object(type = "city-map")]
impl Map {
    /// Marks a place.
    fn mark(&mut self, point: Point) -> Result<usize, Refusal> {
        self.points.push(point);
        if self.points.len() > 2 {
            return Err(Refusal::Full);
        }
        Ok(self.points.len())
    }

    /// Marks a place by its coordinates.
    fn mark_at(&mut self, ctx: &Context, x: i64, y: Option<i64>) {
        ctx.info(format!("marking {x}"));
        self.points.push(Point { x, y: y.unwrap_or(0) });
    }

    fn rescale(&mut self, scale: f64) {
        self.scale = scale;
    }

    /// The first place, if there is one.
    fn first(&self) -> Option<&Point> {
        self.points.first()
    }

    fn seen(&self, ctx: &Context) -> (String, u64, u64) {
        (ctx.id().to_string(), ctx.version(), ctx.now_ms())
    }

    #[expect(clippy::panic, reason = "tests how a harness handles a panic")]
    fn never(&self) -> u64 {
        panic!("never")
    }
}

#[expect(clippy::panic, reason = "a panic is how a test fails")]
fn invalid_argument(result: Result<Json, HandlerError>) -> String {
    match result {
        Err(HandlerError::InvalidArgument(reason)) => reason,
        other => panic!("not an invalid argument: {other:?}"),
    }
}

#[test]
fn a_single_argument_is_the_whole_json() {
    let mut map = Harness::<Map>::new();
    assert_eq!(map.call("mark", json!({ "x": 1, "y": 2 })), Ok(json!(1)));
    assert_eq!(map.call("first", ()), Ok(json!({ "x": 1, "y": 2 })));
}

#[test]
fn several_arguments_are_fields_of_one_object() {
    let mut map = Harness::<Map>::new();
    map.call("mark_at", json!({ "x": 1, "y": 2 })).unwrap();
    map.call("mark_at", json!({ "x": 3 })).unwrap();
    assert_eq!(map.state().points, [Point { x: 1, y: 2 }, Point { x: 3, y: 0 }]);
    assert_eq!(map.take_log().first(), Some(&(LogLevel::Info, "marking 1".to_owned())));
}

#[test]
fn an_argument_that_does_not_fit_is_refused_with_a_reason() {
    let mut map = Harness::<Map>::new();
    for (handler, argument, reason) in [
        ("mark", json!({ "x": 1 }), "missing field `y`"),
        ("mark", json!({ "x": 1, "y": 2, "z": 3 }), "unknown field `z`"),
        ("mark_at", json!({ "y": 2 }), "missing field `x`"),
        ("mark_at", json!({ "x": 1, "yy": 2 }), "unknown field `yy`"),
        ("mark_at", json!({ "x": "1" }), "expected i64"),
        ("mark_at", json!([1, 2]), "expected a JSON object"),
        ("put", json!([]), "expected a JSON object"),
        ("first", json!({}), "takes no argument"),
        ("get", json!(1), "takes no argument"),
    ] {
        let answer = invalid_argument(map.call(handler, argument));
        assert!(answer.contains(reason), "{handler}: {answer}");
    }
    assert_eq!(map.version(), 0);
}

#[test]
fn a_rejected_call_leaves_no_trace() {
    let mut map = Harness::<Map>::new();
    for version in 1..=2 {
        map.call("mark", Point { x: 0, y: 0 }).unwrap();
        assert_eq!(map.version(), version);
    }
    assert_eq!(map.rejection("mark", Point { x: 9, y: 9 }).code(), "full");
    assert_eq!(map.state().points.len(), 2);
    assert_eq!(map.version(), 2);
}

#[test]
fn a_handler_sees_its_object_and_the_time() {
    let mut map = Harness::<Map>::with_key("rome");
    map.set_now_ms(1_700_000_000_000);
    map.call("rescale", 2.0).unwrap();
    assert_eq!(map.call("seen", ()), Ok(json!(["city-map/rome", 1, 1_700_000_000_000_u64])));
}

#[test]
fn get_and_put_come_for_free() {
    let mut map = Harness::<Map>::new();
    assert_eq!(map.call("get", ()), Ok(json!({ "points": [], "scale": 1.5 })));
    assert_eq!(map.call("put", json!({ "scale": 3.0 })), Ok(json!(null)));
    assert_eq!(map.call("get", ()), Ok(json!({ "points": [], "scale": 3.0 })));
    let answer = invalid_argument(map.call("put", json!({ "scales": 3.0 })));
    assert!(answer.contains("unknown field `scales`, expected `points` or `scale`"), "{answer}");
}

#[test]
fn floats_are_read_back_as_they_were_written() {
    let mut map = Harness::<Map>::new();
    for bits in (0..2_000_u64).map(|step| 0x3FB9_9999_9999_9999 + step * 0x0001_2345_6789) {
        let scale = f64::from_bits(bits);
        map.call("rescale", scale).unwrap();
        assert_eq!(map.state().scale.to_bits(), bits, "{scale}");
    }
}

#[test]
fn the_description_has_all_handlers_and_their_schemas() {
    let map = Harness::<Map>::new();
    let description = map.description();
    assert_eq!(description.name, "city-map");
    assert_eq!(description.documentation, "A map to look at.");
    let names: Vec<&str> = description.handlers.iter().map(|handler| handler.name).collect();
    assert_eq!(names, ["get", "put", "mark", "mark_at", "rescale", "first", "seen", "never"]);
    let mark_at = &description.handlers[3];
    assert_eq!(mark_at.kind, HandlerKind::Update);
    assert_eq!(mark_at.documentation, "Marks a place by its coordinates.");
    let schema: Json = serde_json::from_str(&mark_at.argument_schema).unwrap();
    assert_eq!(schema["required"], json!(["x"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(mark_at.reply_schema, "{\"type\":\"null\"}");
    assert_eq!(description.handlers[5].kind, HandlerKind::Query);
}

#[test]
fn the_schema_of_the_state_has_defaults_and_documentation() {
    let map = Harness::<Map>::new();
    let schema: Json = serde_json::from_str(&map.description().state_schema).unwrap();
    assert_eq!(schema["properties"]["scale"]["default"], json!(1.5));
    assert_eq!(schema["properties"]["points"]["description"], json!("All places."));
    assert_eq!(schema["properties"]["points"]["items"], json!({ "$ref": "#/$defs/Point" }));
    assert_eq!(schema["$defs"]["Point"]["required"], json!(["x", "y"]));
    assert_eq!(schema["required"], Json::Null, "everything has a default");
}

#[test]
#[should_panic(expected = "never")]
fn a_panic_is_seen_by_the_test() {
    let _ = Harness::<Map>::new().call("never", ());
}
