use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    some_handlers!();
}

fn main() {}
