//! Interactions of an object: calls to other objects, messages, events and alarms.

use std::time::Duration;

use highlander_sdk::prelude::*;
use highlander_sdk::testing::{Harness, Message};

/// A purse, which pays at a till.
#[derive(ObjectState)]
struct Purse {
    coins: u64,
}

#[object(publish_state = true)]
impl Purse {
    /// Pays at the till, and publishes an event.
    fn pay(&mut self, ctx: &Context, coins: u64) -> Result<u64, Rejection> {
        let Some(rest) = self.coins.checked_sub(coins) else {
            reject!("too-little", "only {} coins are left", self.coins);
        };
        self.coins = rest;
        Till::send_to("1").note(ctx.key().to_owned(), coins)?;
        ctx.publish("paid", &coins)?;
        ctx.set_alarm("remind", Duration::from_secs(60))
            .every(Duration::from_secs(60))
            .call("count", &())?;
        Ok(Till::at("1").timeout(Duration::from_secs(1)).take(coins)?)
    }

    /// Returns the amount that the till holds.
    fn ask(&self, till: String) -> Result<Json, Rejection> {
        Ok(ObjectRef::new("till", till).call("holds", &())?)
    }

    fn count(&mut self, ctx: &Context) -> Result<u64, Rejection> {
        if !matches!(ctx.trigger(), Trigger::Alarm { .. }) {
            reject!("not-yet", "`count` is only called by an alarm");
        }
        self.coins += 1;
        Ok(self.coins)
    }

    /// Attempts every effect, which a query may not have.
    fn peek(&self, ctx: &Context) -> Vec<String> {
        let effects = [
            ctx.send(&ObjectId::new("till", "1"), "note", &1),
            Till::send_to("1").take(1),
            ctx.publish("peeked", &()),
            ctx.set_alarm("remind", Due::AtMs(1)).call("count", &()),
            ctx.cancel_alarm("remind").map(drop),
        ];
        effects
            .into_iter()
            .map(|effect| effect.expect_err("the effect is rejected").to_string())
            .collect()
    }

    /// Requests effects up to the limit, and one more.
    fn exaggerate(&mut self, ctx: &Context, what: String) -> Result<(), EffectError> {
        for number in 0..1_000 {
            match what.as_str() {
                "messages" => ctx.send(&ObjectId::new("till", "1"), "note", &number)?,
                "events" => ctx.publish("news", &number)?,
                "alarms" => {
                    ctx.set_alarm(&format!("a-{number}"), Due::AtMs(1)).call("count", &())?;
                }
                "bytes" => ctx.publish("news", &"x".repeat(32 << 10))?,
                "message" => {
                    ctx.send(&ObjectId::new("till", "1"), "note", &"x".repeat(65 << 10))?;
                }
                "lost-alarm" => ctx.set_alarm("a", Due::AtMs(1)).call("gone", &())?,
                "asking-alarm" => ctx.set_alarm("a", Due::AtMs(1)).call("peek", &())?,
                "lost-message" => ctx.send(&ObjectId::new("purse", "other"), "gone", &())?,
                "Lost" => ctx.send(&ObjectId::new("till", "1"), "Lost", &())?,
                name => ctx.publish(name, &number)?,
            }
        }
        Ok(())
    }
}

/// The object at which purses pay.
mod shop {
    use highlander_sdk::prelude::*;

    #[derive(ObjectState)]
    pub(super) struct Till {
        holds: u64,
    }

    #[object]
    impl Till {
        fn take(&mut self, coins: u64) -> u64 {
            self.holds += coins;
            self.holds
        }

        fn holds(&self) -> u64 {
            self.holds
        }

        fn note(&mut self, purse: String, coins: u64) {
            let _ = (purse, coins);
        }
    }
}
use shop::Till;

fn purse() -> Harness<Purse> {
    Harness::restored(json!({ "coins": 10 }), 1).expect("a valid state")
}

#[test]
fn what_a_call_brings_about_is_kept_with_its_change() {
    let (mut purse, mut till) = (purse(), Harness::<Till>::with_key("1"));
    purse.answer("till", "1", "take", move |coins| Ok(till.call("take", coins)?));
    assert_eq!(purse.call("pay", 3), Ok(json!(3)));
    let note = Message::new("till/1", "note", json!({ "purse": "test", "coins": 3 }));
    assert_eq!(purse.take_messages(), [note]);
    assert_eq!(purse.take_events(), [("paid".to_owned(), json!(3))]);
    assert_eq!(purse.alarms().len(), 1);
    assert_eq!((purse.take_messages(), purse.take_events()), (vec![], vec![]));
    assert!(purse.description().publish_state);
    assert!(!Harness::<Till>::new().description().publish_state);
}

#[test]
fn what_a_call_brings_about_is_dropped_with_its_rejection() {
    let mut purse = purse();
    let refusal = Rejection::new("closed", "the till is closed");
    let refused = refusal.clone();
    purse.answer("till", "1", "take", move |_| Err::<(), _>(CallError::Rejected(refused.clone())));
    assert_eq!(purse.rejection("pay", 3), refusal, "a rejection is passed on unchanged");
    assert_eq!((purse.take_messages(), purse.take_events()), (vec![], vec![]));
    assert_eq!((purse.alarms(), purse.state().coins), (vec![], 10));
}

#[test]
fn each_failure_of_a_call_has_its_code_and_keeps_its_text() {
    type Failure = fn(String) -> CallError;
    let failures: [(Failure, &str); 10] = [
        (CallError::InvalidArgument, "callee-invalid-argument"),
        (CallError::NotFound, "callee-not-found"),
        (CallError::Cycle, "call-cycle"),
        (CallError::TooDeep, "call-too-deep"),
        (CallError::Conflict, "call-conflict"),
        (CallError::TimedOut, "call-timed-out"),
        (CallError::Unavailable, "callee-unavailable"),
        (CallError::Failed, "callee-failed"),
        (CallError::Unknown, "call-unknown"),
        (CallError::ReplyUnreadable, "reply-unreadable"),
    ];
    let mut purse = purse();
    for (failed, code) in failures {
        purse.answer("till", "1", "holds", move |_| Err::<(), _>(failed("because".to_owned())));
        assert_eq!(purse.rejection("ask", "1"), Rejection::new(code, "because"));
        assert_eq!(failed("because".to_owned()).to_string(), format!("{code}: because"));
    }
}

#[test]
fn a_reply_that_is_something_else_is_told_as_done() {
    let mut purse = purse();
    purse.answer("till", "1", "take", |_| Ok("three"));
    let rejection = purse.rejection("pay", 3);
    assert_eq!(rejection.code(), "reply-unreadable");
    assert!(
        rejection.message().starts_with("till/1 executed `take`, but its reply is not as expected"),
        "{rejection}"
    );
}

#[test]
#[should_panic(expected = "`holds` of till/2 was called, but the test has no answer")]
fn a_call_that_the_test_did_not_expect_fails_it() {
    let _ = purse().call("ask", "2");
}

#[test]
#[should_panic(expected = "an object can only be called by a handler")]
fn nothing_is_called_outside_of_a_handler() {
    let _ = Till::at("1").take(1);
}

#[test]
fn a_query_has_no_effects() {
    let refused = "effect-in-query: a query has no effects; make the handler an update";
    assert_eq!(purse().call("peek", ()), Ok(json!(vec![refused; 5])));
}

#[test]
fn there_is_an_end_to_effects() {
    let mut purse = purse();
    for (what, code, text) in [
        ("messages", "effect-too-much", "too many: at most 256 messages in one call"),
        ("message", "effect-too-much", "too many: at most 65536 bytes in a message"),
        ("events", "effect-too-much", "too many: at most 64 events in one call"),
        ("bytes", "effect-too-much", "too many: at most 262144 bytes of events in one call"),
        ("alarms", "effect-too-much", "too many: at most 64 alarms"),
        ("No", "effect-invalid", "`No` is not a valid event name"),
        ("changed", "effect-invalid", "the event name `changed` is reserved for the host"),
        ("lost-alarm", "effect-invalid", "the type purse has no handler `gone`"),
        (
            "asking-alarm",
            "effect-invalid",
            "`peek` of purse is a query, but an alarm can only call an update",
        ),
        ("lost-message", "effect-invalid", "the type purse has no handler `gone`"),
        ("Lost", "effect-invalid", "`Lost` is not a valid handler name"),
    ] {
        assert_eq!(purse.rejection("exaggerate", what), Rejection::new(code, text));
    }
    assert_eq!(
        (purse.take_messages(), purse.take_events(), purse.alarms()),
        (vec![], vec![], vec![])
    );
}

#[test]
fn a_repeating_alarm_that_was_missed_is_given_once_and_goes_on() {
    let mut purse = purse();
    purse.answer("till", "1", "take", |_| Ok(0));
    purse.call("pay", 10).unwrap();
    assert_eq!(purse.fire_alarm("remind"), Ok(json!(1)));
    purse.set_now_ms(600_000);
    assert_eq!(purse.fire_alarm("remind"), Ok(json!(2)));
    assert_eq!(purse.alarms()[0].due_ms, 660_000);
    assert_eq!(purse.rejection("count", ()).code(), "not-yet");
}
