use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Clone for Todo {
    fn clone(&self) -> Todo {
        Todo::default()
    }
}

fn main() {}
