use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo<T> {
    title: T,
}

fn main() {}
