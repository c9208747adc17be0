use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    #[state(default)]
    count: u64,
}

fn main() {}
