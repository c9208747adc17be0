use highlander_sdk::prelude::*;

#[derive(ObjectState)]
enum Todo {
    Open,
    Done,
}

fn main() {}
