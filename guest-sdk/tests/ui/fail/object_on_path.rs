use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl self::Todo {
    fn is_done(&self) -> bool {
        true
    }
}

fn main() {}
