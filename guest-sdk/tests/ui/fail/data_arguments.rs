use highlander_sdk::prelude::*;

#[data(strict)]
struct Point {
    x: u64,
}

fn main() {}
