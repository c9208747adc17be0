use highlander_sdk::prelude::*;

struct Oops;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn complete(&mut self) -> Result<(), Oops> {
        Err(Oops)
    }
}

fn main() {}
