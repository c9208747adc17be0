use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn new() -> Todo {
        Todo::default()
    }
}

fn main() {}
