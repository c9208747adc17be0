use highlander_sdk::prelude::*;

#[derive(ObjectState)]
#[state(version = 0)]
struct Todo {}

#[derive(ObjectState)]
#[state(version = "2")]
struct List {}

fn main() {}
