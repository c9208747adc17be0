use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn _hidden(&self) {}

    #[allow(non_snake_case)]
    fn isDone(&self) {}
}

fn main() {}
