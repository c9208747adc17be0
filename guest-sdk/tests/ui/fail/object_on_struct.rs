use highlander_sdk::prelude::*;

#[derive(ObjectState)]
#[object]
struct Todo {
    title: String,
}


fn main() {}
