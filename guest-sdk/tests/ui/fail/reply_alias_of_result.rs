use highlander_sdk::prelude::*;

type Outcome = Result<u64, Rejection>;

#[derive(ObjectState)]
struct Counter {
    value: u64,
}

#[object]
impl Counter {
    fn value(&self) -> Outcome {
        Ok(self.value)
    }
}

fn main() {}
