//! `publish_state` takes `true` or `false`.

use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object(publish_state)]
impl Todo {}

#[derive(ObjectState)]
struct List {
    title: String,
}

#[object(publish_state = "always")]
impl List {}

fn main() {}
