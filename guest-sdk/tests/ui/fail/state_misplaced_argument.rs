use highlander_sdk::prelude::*;

#[derive(ObjectState)]
#[state(default = 1)]
struct Todo {
    #[state(version = 2)]
    count: u64,
}

fn main() {}
