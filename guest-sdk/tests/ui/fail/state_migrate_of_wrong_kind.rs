use highlander_sdk::prelude::*;

#[derive(ObjectState)]
#[state(version = 2, migrate = "migrate")]
struct Todo {}

fn main() {}
