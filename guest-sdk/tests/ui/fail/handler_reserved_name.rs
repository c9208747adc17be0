use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn owner(&self) {}

    fn events(&self) {}

    fn deactivate(&mut self) {}
}

fn main() {}
