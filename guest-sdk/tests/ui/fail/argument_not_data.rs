use highlander_sdk::prelude::*;

struct Point {
    x: u64,
}

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn place(&mut self, point: Point) {
        let _ = point.x;
    }
}

fn main() {}
