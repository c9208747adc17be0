//! A rate limiter: a fixed number of permits per time window, with one limiter for each key.
//!
//! It counts denied requests, so `take` never rejects: a rejected call would not be counted. The caller can turn a
//! denial into a rejection, as `check` does, with the waiting time in its detail.

use highlander_sdk::prelude::*;

/// Remaining permits, and the number of denials.
#[derive(ObjectState)]
struct Limiter {
    #[state(default = 5)]
    most: u64,
    #[state(default = 60_000)]
    window_ms: u64,
    /// Time at which the current window began.
    began_ms: u64,
    taken: u64,
    /// Total number of denials.
    denied: u64,
}

/// Result of a request for a permit.
#[data]
enum Decision {
    /// The permit was taken.
    Granted { left: u64 },
    /// The denial was counted.
    Denied(Wait),
}

/// Time until permits are available again.
#[data]
struct Wait {
    retry_after_ms: u64,
}

// A `put` would let callers raise their own limit.
#[object(put = false)]
impl Limiter {
    /// Takes a permit, or counts a denial.
    fn take(&mut self, ctx: &Context) -> Decision {
        if ctx.now_ms() >= self.ends_ms() {
            self.began_ms = ctx.now_ms();
            self.taken = 0;
        }
        if self.taken < self.most {
            self.taken += 1;
            return Decision::Granted { left: self.most - self.taken };
        }
        self.denied += 1;
        Decision::Denied(self.wait(ctx))
    }

    /// Returns the number of remaining permits, or rejects if there are none. Takes and counts nothing.
    fn check(&self, ctx: &Context) -> Result<u64, Rejection> {
        let is_over = ctx.now_ms() >= self.ends_ms();
        let left = if is_over { self.most } else { self.most - self.taken.min(self.most) };
        if left == 0 {
            let wait = self.wait(ctx);
            reject!(
                "rate-limited",
                detail = wait,
                "{} has no permits left; retry in {} ms",
                ctx.id(),
                wait.retry_after_ms
            );
        }
        Ok(left)
    }

    /// Returns the total number of denials.
    fn denied(&self) -> u64 {
        self.denied
    }
}

impl Limiter {
    fn ends_ms(&self) -> u64 {
        self.began_ms.saturating_add(self.window_ms)
    }

    fn wait(&self, ctx: &Context) -> Wait {
        Wait { retry_after_ms: self.ends_ms().saturating_sub(ctx.now_ms()) }
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::{Limiter, Wait};

    /// Returns a limiter whose window began at 1,000,000 and that has no permits left.
    fn used_up() -> Harness<Limiter> {
        let mut limiter = Harness::<Limiter>::new();
        limiter.set_now_ms(1_000_000);
        for left in (0..5).rev() {
            assert_eq!(limiter.call("take", ()), Ok(json!({ "granted": { "left": left } })));
        }
        limiter
    }

    #[test]
    fn what_is_denied_is_counted() {
        let mut limiter = used_up();
        limiter.set_now_ms(1_020_000);
        let denied = json!({ "denied": { "retry_after_ms": 40_000 } });
        assert_eq!(limiter.call("take", ()), Ok(denied.clone()));
        assert_eq!(limiter.call("take", ()), Ok(denied));
        assert_eq!(limiter.call("denied", ()), Ok(json!(2)));
    }

    #[test]
    fn a_rejection_says_when_to_come_again_and_leaves_no_trace() {
        let mut limiter = used_up();
        let rejection = limiter.rejection("check", ());
        assert_eq!(rejection.code(), "rate-limited");
        assert_eq!(rejection.detail(), Some(Wait { retry_after_ms: 60_000 }));
        assert_eq!(limiter.call("denied", ()), Ok(json!(0)));
    }

    #[test]
    fn the_next_window_has_all_of_them_again() {
        let mut limiter = used_up();
        limiter.set_now_ms(1_060_000);
        assert_eq!(limiter.call("check", ()), Ok(json!(5)));
        assert_eq!(limiter.call("take", ()), Ok(json!({ "granted": { "left": 4 } })));
    }
}
