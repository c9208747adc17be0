use highlander_sdk::prelude::*;

struct Todo {}

#[object]
impl Todo {
    fn is_done(&self) -> bool {
        true
    }
}

fn main() {}
