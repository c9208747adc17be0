use highlander_sdk::prelude::*;

#[data]
enum Color {
    Red,
    Blue,
}

#[derive(ObjectState)]
struct Todo {
    color: Color,
}

fn main() {}
