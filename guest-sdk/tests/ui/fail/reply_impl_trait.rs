use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn words(&self) -> impl Iterator<Item = &str> {
        self.title.split(' ')
    }
}

fn main() {}
