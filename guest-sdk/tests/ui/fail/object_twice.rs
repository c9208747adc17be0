use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn title(&self) -> String {
        self.title.clone()
    }
}

#[object]
impl Todo {
    fn rename(&mut self, title: String) {
        self.title = title;
    }
}

fn main() {}
