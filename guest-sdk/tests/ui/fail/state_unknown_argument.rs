use highlander_sdk::prelude::*;

#[derive(ObjectState)]
#[state(versoin = 2)]
struct Todo {
    #[state(defualt = 1)]
    count: u64,
    #[state(skip)]
    cache: u64,
}

fn main() {}
