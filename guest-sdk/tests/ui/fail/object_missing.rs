use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {}

fn run<O: Object>() {}

fn test() {
    run::<Todo>();
}

fn main() {}
