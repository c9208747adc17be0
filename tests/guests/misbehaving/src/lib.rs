//! A guest with a handler that breaks each limit, and with a counter that behaves correctly.
//!
//! `increment` and `value` show that the object answers the next call with its previous state.

use std::hint::black_box;

use highlander_sdk::prelude::*;

/// A counter with handlers that misbehave.
#[derive(ObjectState)]
struct Misbehaving {
    /// Value that `increment` counts, and that the harmful handlers try to change first.
    value: u64,
    /// Ballast from `grow_state`.
    ballast: String,
}

#[object]
impl Misbehaving {
    /// Adds one, and returns the new value.
    fn increment(&mut self) -> u64 {
        self.value += 1;
        self.value
    }

    /// Returns the current value.
    fn value(&self) -> u64 {
        self.value
    }

    /// Changes the state and never returns.
    fn spin(&mut self) {
        self.value = 1_000_000;
        forever();
    }

    /// Never returns, as a query.
    fn spin_query(&self) {
        forever();
    }

    /// Allocates memory until none is left.
    fn eat_memory(&mut self) {
        self.value = 1_000_000;
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            hoard.push(vec![1; 1 << 20]);
            black_box(&hoard);
        }
    }

    /// Leaks `bytes` of memory beyond the call, outside of the state.
    fn keep_memory(&self, bytes: usize) {
        black_box(vec![1_u8; bytes].leak());
    }

    /// Recurses until the stack overflows.
    fn eat_stack(&mut self) -> u64 {
        self.value = 1_000_000;
        descend(0)
    }

    /// Traps immediately.
    #[expect(clippy::panic, reason = "the guest is meant to misbehave")]
    fn trap(&self) {
        panic!("told to trap");
    }

    /// Changes the state, then traps.
    #[expect(clippy::panic, reason = "the guest is meant to misbehave")]
    fn trap_after_change(&mut self) {
        self.value = 1_000_000;
        panic!("told to trap");
    }

    /// Changes the state, then rejects the call.
    fn reject_after_change(&mut self) -> Result<(), Rejection> {
        self.value = 1_000_000;
        reject!("told-to-reject", "the value was {} for a moment", self.value);
    }

    /// Writes 10 MiB to the log, in lines of 1 KiB.
    fn spam_log(&self, ctx: &Context) {
        let line = "x".repeat(1 << 10);
        for _ in 0..10 << 10 {
            ctx.info(&line);
        }
    }

    /// Writes one line of `bytes` to the log.
    fn log_long_line(&self, ctx: &Context, bytes: usize) {
        ctx.warn("x".repeat(bytes));
    }

    /// Copies and fills 8 MiB in a loop: few instructions that each take long.
    fn copy_in_a_loop(&self) {
        const BYTES: usize = 8 << 20;
        let mut memory = vec![0_u8; 2 * BYTES];
        loop {
            memory.copy_within(..BYTES, BYTES);
            black_box(&mut memory).fill(1);
        }
    }

    /// Grows the state to about `bytes`.
    fn grow_state(&mut self, bytes: usize) {
        self.ballast = "x".repeat(bytes);
    }

    /// Returns `bytes` of text.
    fn big_reply(&self, bytes: usize) -> String {
        "x".repeat(bytes)
    }

    /// Counts its calls in memory outside of the state, as a query. The host may discard the count at any time.
    fn change_in_query(&self, ctx: &Context) -> u64 {
        thread_local! {
            static CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
        }
        ctx.debug("counting outside of the state");
        CALLS.replace(CALLS.get() + 1) + 1
    }

    /// Returns the context of the call: key, type, version and time.
    fn context(&self, ctx: &Context) -> Json {
        json!({
            "key": ctx.key(),
            "type": ctx.object_type(),
            "version": ctx.version(),
            "now_ms": ctx.now_ms(),
        })
    }
}

fn forever() {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

#[expect(unconditional_recursion, reason = "the guest is meant to misbehave")]
fn descend(depth: u64) -> u64 {
    let ballast = black_box([depth; 64]);
    descend(depth + 1) + ballast.iter().sum::<u64>()
}
