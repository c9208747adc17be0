use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo;

fn main() {}
