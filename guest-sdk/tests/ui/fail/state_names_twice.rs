use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
    #[state(rename = "title")]
    name: String,
    #[state(alias = "name")]
    label: String,
    #[state(alias = "label")]
    note: String,
}

fn main() {}
