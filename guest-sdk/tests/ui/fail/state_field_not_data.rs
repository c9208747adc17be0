use highlander_sdk::prelude::*;

#[derive(Default)]
struct Color;

#[derive(ObjectState)]
struct Todo {
    color: Color,
}

fn main() {}
