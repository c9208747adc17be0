use highlander_sdk::prelude::*;

#[data]
#[derive(Clone, Copy, PartialEq)]
enum Color {
    Red,
}

fn main() {}
