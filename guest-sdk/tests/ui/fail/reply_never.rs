use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn forever(&self) -> ! {
        loop {}
    }
}

fn main() {}
