//! A guest that interacts with other objects on request: it calls, sends messages, sets alarms and publishes
//! events.
//!
//! Its state contains the results, and `get` returns it: a test compares them with its requests. `effect.rs` has
//! the effects of one call, and `account.rs` the statistics of messages and alarms.

mod account;
mod effect;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use highlander_sdk::prelude::*;

use self::account::{Account, Rings};
use self::effect::{Effect, Failure, failed, outcome};

/// Maximum number of objects with an account.
const ACCOUNTS_MAX: usize = 1_000;

/// Actions of an object, and calls that it received.
#[derive(ObjectState)]
struct Interacting {
    /// Number of `chain` calls.
    chains: u64,
    /// Number of `wander` calls.
    wanders: u64,
    /// Number of `relay` calls.
    relays: u64,
    /// Number of messages that `send` sent, by the key of the receiver: the number of the last one.
    sent: BTreeMap<String, u64>,
    /// Messages that `take` received, by the key of the sender.
    received: BTreeMap<String, Account>,
    /// Whether `take` rejects.
    refuses_messages: bool,
    /// Alarms that `ring` received, by name.
    rings: BTreeMap<String, Rings>,
    /// Whether `ring` rejects.
    refuses_alarms: bool,
}

/// A call of another object.
#[data]
struct Call {
    r#type: String,
    key: String,
    handler: String,
    #[serde(default)]
    argument: Json,
    timeout_ms: Option<u64>,
    idempotency_key: Option<String>,
}

/// The remaining objects of a call or a message.
#[data]
struct Chain {
    /// Their keys.
    path: Vec<String>,
}

/// An alarm to set.
#[data]
struct Wanted {
    name: String,
    at_ms: Option<u64>,
    /// Used only if `at_ms` is missing.
    after_ms: Option<u64>,
    every_ms: Option<u64>,
    /// Defaults to `ring`.
    handler: Option<String>,
    #[serde(default)]
    argument: Json,
}

#[object(put = false, publish_state = true)]
impl Interacting {
    /// Makes a call. Returns `{"ok": REPLY}`, or `{"error": {"kind": .., "code": .., "text": ..}}`.
    fn call(&mut self, call: Call) -> Json {
        call.make()
    }

    /// Makes a call, as a query.
    fn ask(&self, call: Call) -> Json {
        call.make()
    }

    /// Calls `chain` of the first object of the path with the rest of it, and returns the keys in reverse.
    fn chain(&mut self, ctx: &Context, chain: Chain) -> Result<Vec<String>, Rejection> {
        self.chains += 1;
        let mut keys = match chain.next() {
            Some((next, rest)) => Interacting::at(next).chain(rest)?,
            None => Vec::new(),
        };
        keys.push(ctx.key().to_owned());
        Ok(keys)
    }

    /// Calls `wander` of an object of `among`, which `seed` selects, for `hops` hops. Returns the number of objects
    /// visited.
    fn wander(&mut self, hops: u64, seed: u64, among: Vec<String>) -> Result<u64, Rejection> {
        self.wanders += 1;
        let (Some(hops), false) = (hops.checked_sub(1), among.is_empty()) else {
            return Ok(1);
        };
        // One step of an LCG, whose upper bits are of better quality.
        let seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = usize::try_from(seed >> 33).unwrap_or(0) % among.len();
        let next = Interacting::at(among.get(index).cloned().unwrap_or_default());
        Ok(1 + next.wander(hops, seed, among)?)
    }

    /// Sends `count` messages to `take` of each of `to`, each with `bytes` of ballast.
    fn send(
        &mut self,
        ctx: &Context,
        to: Vec<String>,
        count: u64,
        tag: String,
        bytes: Option<usize>,
    ) -> Result<(), Rejection> {
        let ballast = "x".repeat(bytes.unwrap_or(0));
        for _ in 0..count {
            for key in &to {
                let number = self.sent.entry(key.clone()).or_default();
                *number += 1;
                let message = json!({ "from": ctx.key(), "number": *number, "tag": format!("{tag}{ballast}") });
                ctx.send(&ObjectId::new(ctx.object_type(), key), "take", &message)?;
            }
        }
        Ok(())
    }

    /// Receives a message, and records it.
    fn take(
        &mut self,
        ctx: &Context,
        from: String,
        number: u64,
        tag: String,
    ) -> Result<(), Rejection> {
        if self.refuses_messages {
            reject!("told-to-refuse", "{} takes no messages", ctx.id());
        }
        if self.received.len() >= ACCOUNTS_MAX && !self.received.contains_key(&from) {
            reject!("too-many-senders", "there are already accounts of {ACCOUNTS_MAX} senders");
        }
        self.received.entry(from.clone()).or_default().take(ctx, &from, number, &tag);
        Ok(())
    }

    /// Sends the rest of the path to `relay` of its first object.
    fn relay(&mut self, chain: Chain) -> Result<(), Rejection> {
        self.relays += 1;
        if let Some((next, rest)) = chain.next() {
            Interacting::send_to(next).relay(rest)?;
        }
        Ok(())
    }

    /// Makes `take` reject all messages, or none.
    fn refuse_messages(&mut self, refuse: bool) {
        self.refuses_messages = refuse;
    }

    /// Sets an alarm.
    fn set_alarm(&mut self, ctx: &Context, alarm: Wanted) -> Result<(), Rejection> {
        let after = Duration::from_millis(alarm.after_ms.unwrap_or(0));
        let due = alarm.at_ms.map_or(Due::After(after), Due::AtMs);
        let mut setting = ctx.set_alarm(&alarm.name, due);
        if let Some(every_ms) = alarm.every_ms {
            setting = setting.every(Duration::from_millis(every_ms));
        }
        setting.call(alarm.handler.as_deref().unwrap_or("ring"), &alarm.argument)?;
        Ok(())
    }

    /// Cancels the alarm of this name. Returns whether it was set.
    fn cancel_alarm(&mut self, ctx: &Context, name: String) -> Result<bool, Rejection> {
        Ok(ctx.cancel_alarm(&name)?)
    }

    /// Returns all alarms that are set.
    fn alarms(&self, ctx: &Context) -> Vec<Json> {
        let alarm = |alarm: highlander_sdk::Alarm| {
            json!({
                "name": alarm.name,
                "due_ms": alarm.due_ms,
                "every_ms": alarm.every_ms,
                "handler": alarm.handler,
                "argument": alarm.argument,
            })
        };
        ctx.alarms().into_iter().map(alarm).collect()
    }

    /// Receives an alarm, and returns the number of its firings.
    fn ring(&mut self, ctx: &Context, argument: Json) -> Result<u64, Rejection> {
        let Trigger::Alarm { name, due_ms } = ctx.trigger() else {
            reject!("no-alarm", "{} was called, but no alarm is due", ctx.id());
        };
        if self.refuses_alarms {
            reject!("told-to-refuse", "{} hears no alarms", ctx.id());
        }
        Ok(self.rings.entry(name.clone()).or_default().hear(ctx, *due_ms, argument))
    }

    /// Makes `ring` reject all alarms, or none.
    fn refuse_alarms(&mut self, refuse: bool) {
        self.refuses_alarms = refuse;
    }

    /// Publishes the same event `count` times.
    fn publish(
        &mut self,
        ctx: &Context,
        name: String,
        data: Json,
        count: Option<u64>,
    ) -> Result<(), Rejection> {
        for _ in 0..count.unwrap_or(1) {
            ctx.publish(&name, &data)?;
        }
        Ok(())
    }

    /// Requests an effect, changes the state, and then fails.
    fn fail_after(
        &mut self,
        ctx: &Context,
        effect: Effect,
        failure: Failure,
    ) -> Result<(), Rejection> {
        self.chains += 1_000_000;
        effect.bring_about(ctx)?;
        failure.fail()
    }

    /// Requests an effect. Returns the same as `call`.
    fn attempt(&mut self, ctx: &Context, effect: Effect) -> Json {
        outcome(effect.bring_about(ctx))
    }

    /// Requests an effect, as a query.
    fn attempt_in_query(&self, ctx: &Context, effect: Effect) -> Json {
        outcome(effect.bring_about(ctx))
    }

    /// Returns the caller and the trigger of the handler.
    fn who(&self, ctx: &Context) -> Json {
        json!({ "caller": ctx.caller().to_string(), "trigger": format!("{:?}", ctx.trigger()) })
    }

    /// Returns the received messages by sender.
    fn account(&self) -> &BTreeMap<String, Account> {
        &self.received
    }
}

impl Call {
    fn make(self) -> Json {
        let mut object = ObjectRef::new(self.r#type, self.key);
        if let Some(timeout_ms) = self.timeout_ms {
            object = object.timeout(Duration::from_millis(timeout_ms));
        }
        if let Some(key) = self.idempotency_key {
            object = object.idempotency_key(key);
        }
        match object.call::<Json>(&self.handler, &self.argument) {
            Ok(reply) => json!({ "ok": reply }),
            Err(error) => failed(&error),
        }
    }
}

impl Chain {
    fn next(mut self) -> Option<(String, Chain)> {
        if self.path.is_empty() {
            return None;
        }
        Some((self.path.remove(0), self))
    }
}
