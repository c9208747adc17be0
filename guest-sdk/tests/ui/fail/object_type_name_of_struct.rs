use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Überfällig {}

#[object]
impl Überfällig {}

fn main() {}
