use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    #[state]
    count: u64,
}

fn main() {}
