//! A guest whose objects take as much of a node as they get: messages that never end, alarms for the past, and long
//! calls. None of them breaks a limit of one call.

use std::hint::black_box;

use highlander_sdk::prelude::*;

/// Objects among which `spread` sends.
const SPREAD_AMONG: u64 = 500;

/// Number of calls of an object.
#[derive(ObjectState)]
struct Greedy {
    /// Calls of handlers that change the object.
    count: u64,
}

#[object]
impl Greedy {
    /// Returns the number of calls that changed the object.
    fn count(&self) -> u64 {
        self.count
    }

    /// Sends two more messages to `spread` of other objects.
    fn spread(&mut self, ctx: &Context, number: u64) -> Result<(), Rejection> {
        self.count += 1;
        for next in [2 * number + 1, 2 * number + 2] {
            let next = next % SPREAD_AMONG;
            ctx.send(&ObjectId::new(ctx.object_type(), next.to_string()), "spread", &next)?;
        }
        Ok(())
    }

    /// Sets an alarm for the past that calls this handler again.
    fn ring_at_once(&mut self, ctx: &Context) -> Result<(), Rejection> {
        self.count += 1;
        ctx.set_alarm("again", Due::AtMs(1)).call("ring_at_once", &())?;
        Ok(())
    }

    /// Computes for this number of thousand rounds.
    fn compute(&self, thousands: u64) -> u64 {
        (0..thousands * 1_000).fold(0, |sum, round| black_box(sum ^ round.wrapping_mul(31)))
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::Greedy;

    #[test]
    fn one_message_becomes_two() {
        let mut greedy = Harness::<Greedy>::new();
        greedy.call("spread", 7).unwrap();
        assert_eq!(greedy.call("count", ()).unwrap(), json!(1));
    }
}
