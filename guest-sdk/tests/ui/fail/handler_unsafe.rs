use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    unsafe fn complete(&mut self) {}

    extern "C" fn reopen(&mut self) {}
}

fn main() {}
