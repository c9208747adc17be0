use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn rename(&mut self, title: &str) {}

    fn tag(&mut self, tags: &[String]) {}

    fn count(&mut self, by: &u64) {}
}

fn main() {}
