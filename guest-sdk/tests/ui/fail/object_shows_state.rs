//! `shows_state` takes `true` or `false`.

use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object(shows_state)]
impl Todo {}

#[derive(ObjectState)]
struct List {
    title: String,
}

#[object(shows_state = "always")]
impl List {}

fn main() {}
