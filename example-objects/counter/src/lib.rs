//! A counter: the smallest useful object.

use highlander_sdk::prelude::*;

/// A number that goes up.
#[derive(ObjectState)]
struct Counter {
    /// Current value.
    value: u64,
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
        self.value = sum;
        Ok(sum)
    }

    /// Returns the current value.
    fn value(&self) -> u64 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::Counter;

    #[test]
    fn a_new_counter_is_at_zero() {
        let mut counter = Harness::<Counter>::new();
        assert_eq!(counter.call("value", ()), Ok(json!(0)));
        assert_eq!(counter.snapshot(), json!({ "value": 0 }));
    }

    #[test]
    fn it_counts() {
        let mut counter = Harness::<Counter>::new();
        assert_eq!(counter.call("increment", ()), Ok(json!(1)));
        assert_eq!(counter.call("add", 41), Ok(json!(42)));
        assert_eq!(counter.call("value", ()), Ok(json!(42)));
    }

    #[test]
    fn it_does_not_overflow() {
        let mut counter = Harness::<Counter>::restored(json!({ "value": u64::MAX }), 1).unwrap();
        assert_eq!(counter.rejection("increment", ()).code(), "overflow");
        assert_eq!(counter.state().value, u64::MAX);
    }
}
