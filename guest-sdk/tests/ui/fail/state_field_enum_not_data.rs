use highlander_sdk::prelude::*;

#[derive(Default)]
enum Color {
    #[default]
    Blue,
}

#[derive(ObjectState)]
struct Todo {
    color: Color,
}

fn main() {}
