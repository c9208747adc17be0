use highlander_sdk::prelude::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Point {
    x: u64,
}

#[derive(ObjectState)]
struct Map {
    point: Point,
}

#[object]
impl Map {
    fn point(&self) -> &Point {
        &self.point
    }
}

fn main() {}
