//! A rate limit: so many in a window of time, one limiter for each key.
//!
//! It counts what it denies, and so `take` never rejects: a rejected call leaves no trace. Whoever asks makes a
//! rejection of the answer, as `check` does, with what programs want to know in its detail.

use highlander_sdk::prelude::*;

/// What is left, and what was denied.
#[derive(ObjectState)]
struct Limiter {
    #[state(default = 5)]
    most: u64,
    #[state(default = 60_000)]
    window_ms: u64,
    /// When the present window began.
    began_ms: u64,
    taken: u64,
    /// How often one was denied in all.
    denied: u64,
}

/// Whether one may be had.
#[data]
enum Decision {
    /// It was taken.
    Granted { left: u64 },
    /// It was counted as denied.
    Denied(Wait),
}

/// How long there is none.
#[data]
struct Wait {
    retry_after_ms: u64,
}

// With a `put` everybody could raise their own limit.
#[object(put = false)]
impl Limiter {
    /// Takes one, or counts that it was denied.
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

    /// Says how many are left, and rejects where there are none. It takes and counts nothing.
    fn check(&self, ctx: &Context) -> Result<u64, Rejection> {
        let is_over = ctx.now_ms() >= self.ends_ms();
        let left = if is_over { self.most } else { self.most - self.taken.min(self.most) };
        if left == 0 {
            let wait = self.wait(ctx);
            reject!(
                "rate-limited",
                detail = wait,
                "{} has none left for {} ms",
                ctx.id(),
                wait.retry_after_ms
            );
        }
        Ok(left)
    }

    /// How often one was denied in all.
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

    /// One whose window began at 1,000,000 and is used up.
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
