use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct TodoV1 {}

#[derive(ObjectState)]
#[state(version = 3, migrate_from = TodoV1)]
struct Todo {}

impl From<TodoV1> for Todo {
    fn from(_: TodoV1) -> Todo {
        Todo {}
    }
}

fn main() {}
