use highlander_sdk::prelude::*;

use std::collections::{BTreeMap, BTreeSet};

#[data]
#[derive(Default)]
struct Nested {
    name: String,
}

#[derive(ObjectState, Clone, Debug, PartialEq)]
#[state(version = 3, migrate_from = older::State)]
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

mod older {
    use highlander_sdk::prelude::*;

    #[derive(ObjectState)]
    #[state(version = 2)]
    pub(crate) struct State {
        pub(crate) number: f64,
    }
}

impl From<older::State> for State {
    fn from(old: older::State) -> State {
        State { number: old.number, ..State::default() }
    }
}

#[derive(ObjectState)]
struct Empty {}

fn main() {}
