use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: &'static str,
    tags: &'static [u8],
    act: fn(),
}

fn main() {}
