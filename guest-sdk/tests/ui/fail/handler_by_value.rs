use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn finish(self) {}

    fn finish_boxed(self: Box<Self>) {}
}

fn main() {}
