use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn complete(&mut self) {}

    fn complete(&mut self) {}
}

fn main() {}
