use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn place(&mut self, (x, y): (u64, u64)) {}
}

fn main() {}
