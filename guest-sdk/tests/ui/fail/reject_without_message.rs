use highlander_sdk::prelude::*;

fn check() -> Result<(), Rejection> {
    reject!("empty")
}

fn main() {}
