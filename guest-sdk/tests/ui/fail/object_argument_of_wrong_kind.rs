use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object(type = todo, get = "no", put)]
impl Todo {
    fn is_done(&self) -> bool {
        true
    }
}

fn main() {}
