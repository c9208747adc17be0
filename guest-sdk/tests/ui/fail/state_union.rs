use highlander_sdk::prelude::*;

#[derive(ObjectState)]
union Todo {
    a: u32,
    b: f32,
}

fn main() {}
