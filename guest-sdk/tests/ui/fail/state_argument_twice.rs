use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    #[state(default = 1, default = 2)]
    count: u64,
}

fn main() {}
