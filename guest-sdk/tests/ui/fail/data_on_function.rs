use highlander_sdk::prelude::*;

#[data]
fn point() {}

fn main() {}
