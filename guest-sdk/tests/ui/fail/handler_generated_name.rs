use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn get(&self) -> String {
        self.title.clone()
    }

    fn put(&mut self, title: String) {
        self.title = title;
    }
}

fn main() {}
