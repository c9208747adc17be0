use highlander_sdk::prelude::*;

fn migrate(_: u32, _: &mut JsonObject) -> Result<(), String> {
    Ok(())
}

#[derive(ObjectState)]
#[state(migrate = migrate)]
struct Todo {}

fn main() {}
