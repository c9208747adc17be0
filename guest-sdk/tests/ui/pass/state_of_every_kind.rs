use highlander_sdk::prelude::*;

use std::collections::{BTreeMap, BTreeSet};

#[data]
#[derive(Default)]
struct Nested {
    name: String,
}

#[derive(ObjectState, Clone, Debug, PartialEq)]
#[state(version = 3, migrate = migrate)]
pub struct State {
    pub number: f64,
    maybe: Option<Nested>,
    map: BTreeMap<String, Nested>,
    set: BTreeSet<u8>,
    pair: (bool, char),
    #[state(default = vec![1, 2, 3])]
    numbers: Vec<i64>,
    #[state(rename = "Label", alias = "label", alias = "name", default = "none".to_owned())]
    text: String,
    r#type: Json,
}

fn migrate(_from_version: u32, _state: &mut JsonObject) -> Result<(), String> {
    Ok(())
}

#[derive(ObjectState)]
struct Empty {}

fn main() {}
