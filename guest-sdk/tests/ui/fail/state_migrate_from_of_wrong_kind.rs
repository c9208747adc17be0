use highlander_sdk::prelude::*;

#[derive(ObjectState)]
#[state(version = 2, migrate_from = "TodoV1")]
struct Todo {}

fn main() {}
