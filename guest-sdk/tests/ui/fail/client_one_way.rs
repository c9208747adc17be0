//! An argument that can only be deserialized cannot be sent to another object.

use highlander_sdk::prelude::*;
use highlander_sdk::{__private::schemars, __private::serde};

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "serde")]
#[schemars(crate = "schemars")]
struct Wish {
    title: String,
}

#[object]
impl Todo {
    fn wish(&mut self, wish: Wish) {
        self.title = wish.title;
    }
}

fn main() {
    let _ = Todo::at("42").wish(Wish { title: String::new() });
}
