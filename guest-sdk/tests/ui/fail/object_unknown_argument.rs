use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object(typ = "todo", gets = false)]
impl Todo {
    fn is_done(&self) -> bool {
        true
    }
}

fn main() {}
