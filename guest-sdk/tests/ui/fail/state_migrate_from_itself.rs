use highlander_sdk::prelude::*;

#[derive(ObjectState)]
#[state(version = 2, migrate_from = Todo)]
struct Todo {}

fn main() {}
