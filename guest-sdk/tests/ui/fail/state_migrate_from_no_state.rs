use highlander_sdk::prelude::*;

struct TodoV1 {}

#[derive(ObjectState)]
#[state(version = 2, migrate_from = TodoV1)]
struct Todo {}

impl From<TodoV1> for Todo {
    fn from(_: TodoV1) -> Todo {
        Todo {}
    }
}

fn main() {}
