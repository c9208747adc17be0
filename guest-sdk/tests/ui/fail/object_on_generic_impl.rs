use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl<T> Todo where T: Clone {
    fn is_done(&self) -> bool {
        true
    }
}

fn main() {}
