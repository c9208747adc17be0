use highlander_sdk::prelude::*;

#[data]
enum Refusal {
    Empty,
}

type Outcome = Result<u64, Refusal>;

#[derive(ObjectState)]
struct Counter {
    value: u64,
}

#[object]
impl Counter {
    fn value(&self) -> Outcome {
        if self.value == 0 { Err(Refusal::Empty) } else { Ok(self.value) }
    }
}

fn main() {}
