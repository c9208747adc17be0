use highlander_sdk::prelude::*;

#[data]
#[derive(ObjectState)]
struct Todo {}

fn main() {}
