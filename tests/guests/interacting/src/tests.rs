//! Tests of the guest: requested interactions, and statistics of received ones.

use highlander_sdk::prelude::*;
use highlander_sdk::testing::{Harness, Message};

use super::Interacting;

fn object(key: &str) -> Harness<Interacting> {
    Harness::with_key(key)
}

#[test]
fn a_call_answers_with_the_reply_or_the_error() {
    let mut a = object("a");
    a.answer("todo", "42", "title", |_| Ok("milk"));
    a.answer("todo", "43", "title", |_| Err::<(), _>(CallError::TimedOut("too slow".to_owned())));
    for handler in ["call", "ask"] {
        let call = |key| json!({ "type": "todo", "key": key, "handler": "title", "timeout_ms": 5 });
        assert_eq!(a.call(handler, call("42")), Ok(json!({ "ok": "milk" })));
        let error = json!({ "kind": "timed-out", "code": "call-timed-out", "text": "too slow" });
        assert_eq!(a.call(handler, call("43")), Ok(json!({ "error": error })));
    }
}

#[test]
fn a_chain_goes_through_all_objects() {
    let (mut a, mut b) = (object("a"), object("b"));
    a.answer("interacting", "b", "chain", move |path| Ok(b.call("chain", path)?));
    assert_eq!(a.call("chain", json!({ "path": ["b"] })), Ok(json!(["b", "a"])));
    a.answer("interacting", "c", "chain", |_| Err::<(), _>(CallError::Cycle("a, c".to_owned())));
    assert_eq!(a.rejection("chain", json!({ "path": ["c"] })).code(), "call-cycle");
    assert_eq!(a.state().chains, 1);
}

#[test]
fn wandering_goes_from_object_to_object() {
    let (mut a, mut b) = (object("a"), object("b"));
    a.answer("interacting", "b", "wander", move |argument| Ok(b.call("wander", argument)?));
    assert_eq!(a.call("wander", json!({ "hops": 1, "seed": 7, "among": ["b"] })), Ok(json!(2)));
    assert_eq!(a.call("wander", json!({ "hops": 0, "seed": 7, "among": ["b"] })), Ok(json!(1)));
    assert_eq!(a.state().wanders, 2);
}

#[test]
fn messages_are_numbered_and_accounted_for() {
    let (mut a, mut b) = (object("a"), object("b"));
    a.call("send", json!({ "to": ["b", "c"], "count": 2, "tag": "x" })).unwrap();
    let message = |to: &str, number| {
        Message::new(to, "take", json!({ "from": "a", "number": number, "tag": "x" }))
    };
    let sent = a.take_messages();
    let (to_b, to_c) = ("interacting/b", "interacting/c");
    assert_eq!(sent, [message(to_b, 1), message(to_c, 1), message(to_b, 2), message(to_c, 2)]);

    let from = ObjectId::new("interacting", "a");
    for message in sent.iter().filter(|message| message.to == to_b) {
        b.deliver(&from, "take", &message.argument).unwrap();
    }
    let account = json!({
        "count": 2, "last": 2, "out_of_order": 0, "last_message": 2, "not_rising": 0,
        "not_from_sender": 0, "tags": ["x", "x"],
    });
    assert_eq!(b.call("account", ()), Ok(json!({ "a": account })));

    b.call("take", json!({ "from": "a", "number": 9, "tag": "y" })).unwrap();
    let account = b.call("account", ()).unwrap();
    assert_eq!(account["a"]["out_of_order"], 1);
    assert_eq!(account["a"]["not_from_sender"], 1);

    b.call("refuse_messages", true).unwrap();
    let refused = b.deliver(&from, "take", json!({ "from": "a", "number": 10, "tag": "z" }));
    assert!(matches!(refused, Err(HandlerError::Rejected(why)) if why.code() == "told-to-refuse"));
}

#[test]
fn a_relay_goes_on_by_messages() {
    let mut a = object("a");
    a.call("relay", json!({ "path": ["b", "c"] })).unwrap();
    assert_eq!(
        a.take_messages(),
        [Message::new("interacting/b", "relay", json!({ "path": ["c"] }))]
    );
}

#[test]
fn alarms_ring() {
    let mut a = object("a");
    a.set_now_ms(10_000);
    a.call("set_alarm", json!({ "name": "tea", "after_ms": 500, "every_ms": 2000, "argument": 3 }))
        .unwrap();
    let alarm = |due_ms| {
        let mut alarm =
            json!({ "name": "tea", "every_ms": 2000, "handler": "ring", "argument": 3 });
        alarm["due_ms"] = json!(due_ms);
        json!([alarm])
    };
    assert_eq!(a.call("alarms", ()), Ok(alarm(10_500)));
    assert_eq!(a.fire_alarm("tea"), Ok(json!(1)));
    assert_eq!(a.call("alarms", ()), Ok(alarm(12_500)));

    a.call("refuse_alarms", true).unwrap();
    assert!(a.fire_alarm("tea").is_err());
    assert_eq!(a.call("alarms", ()), Ok(alarm(12_500)));
    let rings = json!({
        "count": 1, "due_ms": 10_500, "now_ms": 10_500, "too_early": 0, "repeated": 0,
        "argument": 3, "not_from_itself": 0,
    });
    assert_eq!(a.snapshot()["rings"]["tea"], rings);
    assert_eq!(a.call("cancel_alarm", "tea"), Ok(json!(true)));
    assert_eq!(a.rejection("ring", ()).code(), "no-alarm");
}

#[test]
fn a_failure_undoes_what_was_brought_about() {
    let mut a = object("a");
    for effect in [
        json!({ "send": { "to": "b" } }),
        json!({ "set_alarm": { "name": "tea", "after_ms": 5 } }),
        json!({ "publish": { "name": "news" } }),
    ] {
        let argument = json!({ "effect": effect, "failure": "reject" });
        assert_eq!(a.rejection("fail_after", argument).code(), "told-to-reject");
        let in_query = a.call("attempt_in_query", &effect).unwrap();
        assert_eq!(in_query["error"]["code"], "effect-in-query");
    }
    assert_eq!((a.take_messages(), a.take_events(), a.alarms()), (vec![], vec![], vec![]));
    assert_eq!(a.version(), 0);
}

#[test]
fn events_are_published_as_told() {
    let mut a = object("a");
    a.call("publish", json!({ "name": "news", "data": 1, "count": 2 })).unwrap();
    assert_eq!(a.take_events(), vec![("news".to_owned(), json!(1)); 2]);
    let attempt = json!({ "publish": { "name": "changed" } });
    assert_eq!(a.call("attempt", attempt).unwrap()["error"]["code"], "effect-invalid");
}
