use highlander_sdk::prelude::*;

#[data]
#[derive(Copy, Eq, PartialOrd, Ord, Default)]
enum Color {
    #[default]
    DarkBlue,
    Red,
}

#[data]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Shape {
    Circle { radius: f64 },
    WideSquare { side: f64 },
}

#[data]
struct Wrapper(Vec<Color>);

#[data]
struct Pair<T> {
    left: T,
    right: T,
}

#[data]
struct Flat {
    #[serde(flatten)]
    pair: Pair<u8>,
}

fn main() {
    assert_eq!(json!(Color::DarkBlue), "dark_blue");
    assert_eq!(json!(Shape::WideSquare { side: 1.0 }), json!({ "kind": "wide-square", "side": 1.0 }));
    assert_eq!(json!(Wrapper(vec![Color::Red])), json!(["red"]));
    assert_eq!(json!(Flat { pair: Pair { left: 1, right: 2 } }), json!({ "left": 1, "right": 2 }));
}
