use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo(String, bool);

fn main() {}
