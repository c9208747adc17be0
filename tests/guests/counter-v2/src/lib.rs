//! A second revision of the counter: it keeps the handlers of the first one, and can also count down.

use highlander_sdk::prelude::*;

/// A number that goes up and down.
#[derive(ObjectState)]
struct Counter {
    /// Current value.
    value: u64,
    /// Number of changes since this revision.
    changes: u64,
}

#[object]
impl Counter {
    /// Adds one, and returns the new value.
    fn increment(&mut self) -> Result<u64, Rejection> {
        self.add(1)
    }

    /// Adds `by`, and returns the new value.
    fn add(&mut self, by: u64) -> Result<u64, Rejection> {
        let Some(sum) = self.value.checked_add(by) else {
            reject!("overflow", "{} plus {by} is more than a counter can hold", self.value);
        };
        self.changes += 1;
        self.value = sum;
        Ok(sum)
    }

    /// Subtracts one, and returns the new value.
    fn decrement(&mut self) -> Result<u64, Rejection> {
        let Some(rest) = self.value.checked_sub(1) else {
            reject!("underflow", "a counter cannot go below zero");
        };
        self.changes += 1;
        self.value = rest;
        Ok(rest)
    }

    /// Returns the current value.
    fn value(&self) -> u64 {
        self.value
    }

    /// Returns the number of changes since this revision.
    fn changes(&self) -> u64 {
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::Counter;

    #[test]
    fn it_goes_on_from_the_state_of_the_first_revision() {
        let mut counter = Harness::<Counter>::restored(json!({ "value": 5 }), 1).unwrap();
        assert_eq!(counter.call("decrement", ()), Ok(json!(4)));
        assert_eq!(counter.call("changes", ()), Ok(json!(1)));
    }

    #[test]
    fn it_does_not_go_below_zero() {
        assert_eq!(Harness::<Counter>::new().rejection("decrement", ()).code(), "underflow");
    }
}
