use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    #[state(default = "one")]
    count: u64,
}

fn main() {}
