use highlander_sdk::prelude::*;

struct Point;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn place(&self) -> Point {
        Point
    }
}

fn main() {}
