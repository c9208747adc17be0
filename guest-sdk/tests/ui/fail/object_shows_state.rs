//! Showing the state is on or off.

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
