use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object(typ = "todo")]
impl Todo {
    async fn complete(self, title: &str) {}

    fn owner(&self) {}

    fn new() -> Todo {
        Todo::default()
    }
}

fn main() {}
