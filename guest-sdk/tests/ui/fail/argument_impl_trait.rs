use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn rename(&mut self, title: impl Into<String>) {}
}

fn main() {}
