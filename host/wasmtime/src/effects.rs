//! Collects the effects that the handler of one call requests, and enforces their limits.
//!
//! They take effect later, together with the change of the call.

use std::sync::Arc;

use highlander_core::caller::call_policy::CallPolicy;
use highlander_core::effects::{Alarm, Effects, Event, Message};
use highlander_core::engine::{Description, GuestCall, HandlerKind, OutboundCalls};
use highlander_core::error::Error;
use highlander_core::events::frame::{CHANGED, CLOSED, RESET};
use highlander_core::events::is_event_name;
use highlander_core::id::ObjectId;
use highlander_core::json::is_json;
use highlander_core::limits::{
    ALARM_BYTES_MAX, ALARM_EVERY_MIN, ALARM_NAME_BYTES_MAX, ALARMS_MAX, EVENT_BYTES_MAX,
    EVENTS_PER_CALL_MAX, MESSAGE_BYTES_MAX, MESSAGES_PER_CALL_MAX,
};

use super::bindings::highlander::object::types::EffectError;
use super::names::is_handler_name;

/// Event names reserved for the host.
const OWN_EVENTS: [&str; 3] = [CHANGED, RESET, CLOSED];

type Effect<T> = Result<T, EffectError>;

/// Effects requested so far by the handler of one call, and what it may request.
#[derive(Debug, Default)]
pub(super) struct EffectCollector {
    /// False outside of `handle`, and in queries.
    is_update: bool,
    pub(super) outbound: Option<Arc<dyn OutboundCalls>>,
    own: Option<Arc<Description>>,
    /// Limit of its messages; only updates have some.
    call_policy: Option<Arc<CallPolicy>>,
    set: Option<Arc<[Alarm]>>,
    /// All alarms, once the call has changed one.
    changed: Option<Vec<Alarm>>,
    messages: Vec<Message>,
    events: Vec<Event>,
    event_bytes: usize,
}

impl EffectCollector {
    /// Creates the collector for a call.
    pub(super) fn new(call: &GuestCall<'_>) -> Self {
        let is_update = call.kind == HandlerKind::Update;
        Self {
            is_update,
            outbound: call.outbound.cloned(),
            own: call.own.cloned(),
            call_policy: call.call_policy.filter(|_| is_update).cloned(),
            set: call.alarms.cloned(),
            ..Self::default()
        }
    }

    /// Returns the requested effects.
    pub(super) fn into_effects(self) -> Effects {
        let alarms = self.changed.map(Arc::from);
        Effects { messages: self.messages, alarms, events: self.events }
    }

    pub(super) fn send(
        &mut self,
        to: Result<ObjectId, String>,
        handler: &str,
        argument: Vec<u8>,
    ) -> Effect<()> {
        self.may()?;
        let to = to.map_err(EffectError::Invalid)?;
        check_handler(handler)?;
        // A message to another type is not checked, because the type may have the handler by the time of delivery.
        if let Some(own) = self.own.as_ref().filter(|own| own.name.as_str() == to.type_name()) {
            handler_of(own, handler)?;
        }
        if let Some(policy) = &self.call_policy {
            policy.check(to.type_name()).map_err(|error| EffectError::Invalid(not_sent(&error)))?;
        }
        check_json("the argument", &argument, MESSAGE_BYTES_MAX)?;
        check_count("messages in one call", self.messages.len(), MESSAGES_PER_CALL_MAX)?;
        self.messages.push(Message { to, handler: handler.into(), argument: argument.into() });
        Ok(())
    }

    pub(super) fn publish(&mut self, name: &str, data: Vec<u8>) -> Effect<()> {
        self.may()?;
        if !is_event_name(name) || OWN_EVENTS.contains(&name) {
            return invalid(format!("the event name {name:?} is not valid"));
        }
        check_json("the event's data", &data, EVENT_BYTES_MAX)?;
        check_count("events in one call", self.events.len(), EVENTS_PER_CALL_MAX)?;
        check_count(
            "bytes of events in one call",
            self.event_bytes + data.len(),
            EVENT_BYTES_MAX + 1,
        )?;
        self.event_bytes += data.len();
        self.events.push(Event { name: name.into(), data: data.into() });
        Ok(())
    }

    pub(super) fn set_alarm(&mut self, alarm: Alarm) -> Effect<()> {
        self.may()?;
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = (1..=ALARM_NAME_BYTES_MAX).contains(&alarm.name.len())
            && alarm.name.bytes().all(|byte| is_letter(byte) || b"-_".contains(&byte));
        if !is_name {
            return invalid(format!("the alarm name {:?} is not valid", alarm.name));
        }
        check_handler(&alarm.handler)?;
        if let Some(own) = &self.own
            && handler_of(own, &alarm.handler)? == HandlerKind::Query
        {
            let (name, handler) = (&own.name, &alarm.handler);
            return invalid(format!(
                "{handler} of {name} is a query; an alarm must call an update"
            ));
        }
        check_json("the argument", &alarm.argument, ALARM_BYTES_MAX)?;
        let every_min = ALARM_EVERY_MIN.as_millis() as u64;
        if alarm.every_ms.is_some_and(|every| every < every_min) {
            return invalid(format!("an alarm can repeat at most every {every_min} ms"));
        }
        let alarms = self.alarms_mut();
        match alarms.binary_search_by(|known| known.name.cmp(&alarm.name)) {
            Ok(index) => {
                if let Some(known) = alarms.get_mut(index) {
                    *known = alarm;
                }
            }
            Err(index) => {
                check_count("alarms", alarms.len(), ALARMS_MAX)?;
                alarms.insert(index, alarm);
            }
        }
        Ok(())
    }

    pub(super) fn cancel_alarm(&mut self, name: &str) -> Effect<bool> {
        self.may()?;
        let is_set = self.alarms().iter().any(|alarm| &*alarm.name == name);
        if is_set {
            self.alarms_mut().retain(|alarm| &*alarm.name != name);
        }
        Ok(is_set)
    }

    /// Returns all alarms as the call has left them so far, sorted by name.
    pub(super) fn alarms(&self) -> &[Alarm] {
        self.changed.as_deref().or(self.set.as_deref()).unwrap_or_default()
    }

    fn alarms_mut(&mut self) -> &mut Vec<Alarm> {
        let set = self.set.as_deref().unwrap_or_default();
        self.changed.get_or_insert_with(|| set.to_vec())
    }

    fn may(&self) -> Effect<()> {
        if self.is_update { Ok(()) } else { Err(EffectError::NotInQuery) }
    }
}

/// Returns the text for a message that is not permitted, with its error code.
fn not_sent(error: &Error) -> String {
    let hint = error.hint.as_deref().unwrap_or_default();
    format!("{}: the message was not sent: {}; {hint}", error.code, error.message)
}

fn check_handler(name: &str) -> Effect<()> {
    if is_handler_name(name) {
        Ok(())
    } else {
        invalid(format!("the handler name {name:?} is not valid"))
    }
}

/// Returns the kind of this handler of the object's own type.
fn handler_of(own: &Description, name: &str) -> Effect<HandlerKind> {
    match own.handler(name) {
        Some(handler) => Ok(handler.kind),
        None => invalid(format!("the type {} has no handler {name:?}", own.name)),
    }
}

fn check_json(what: &str, bytes: &[u8], bytes_max: usize) -> Effect<()> {
    if bytes.len() > bytes_max {
        let text = format!("{what} has {} bytes; expected at most {bytes_max}", bytes.len());
        return Err(EffectError::TooMuch(text));
    }
    if is_json(bytes) { Ok(()) } else { invalid(format!("{what} is not JSON")) }
}

fn check_count(what: &str, count: usize, max: usize) -> Effect<()> {
    if count < max {
        Ok(())
    } else {
        Err(EffectError::TooMuch(format!("too many {what}: the limit is {max}")))
    }
}

fn invalid<T>(text: String) -> Effect<T> {
    Err(EffectError::Invalid(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_core::caller::Caller;
    use highlander_core::caller::call_policy::TypeSet;
    use highlander_core::effects::Trigger;
    use highlander_core::engine::Handler;
    use highlander_core::id::TypeName;

    const UPDATE: GuestCall<'_> = GuestCall {
        handler: "a",
        kind: HandlerKind::Update,
        argument: b"null",
        version: 0,
        caller: &Caller::Anonymous,
        trigger: &Trigger::Call,
        alarms: None,
        own: None,
        call_policy: None,
        outbound: None,
    };

    fn update() -> EffectCollector {
        EffectCollector::new(&UPDATE)
    }

    /// Returns the description of a `list` with the update `ring` and the query `get`.
    fn list() -> Arc<Description> {
        let handler = |name: &str, kind| Handler {
            name: name.to_owned(),
            kind,
            documentation: String::new(),
            argument: true.into(),
            reply: true.into(),
        };
        Arc::new(Description {
            name: TypeName::new("list").unwrap(),
            documentation: String::new(),
            schema_version: 1,
            state_content_type: "application/json".to_owned(),
            state: true.into(),
            handlers: vec![
                handler("get", HandlerKind::Query),
                handler("ring", HandlerKind::Update),
            ],
            publish_state: false,
        })
    }

    fn to() -> Result<ObjectId, String> {
        Ok("list/home".parse().unwrap())
    }

    fn alarm(name: &str, due_ms: u64) -> Alarm {
        Alarm::new(name, due_ms, None, "ring", "null")
    }

    #[test]
    fn what_was_asked_for_is_kept_in_order() {
        let mut effects = update();
        effects.send(to(), "a", b"1".to_vec()).unwrap();
        effects.send(to(), "b", b"2".to_vec()).unwrap();
        effects.publish("said", b"{}".to_vec()).unwrap();
        let Effects { messages, alarms, events } = effects.into_effects();
        let handlers: Vec<_> = messages.iter().map(|message| &*message.handler).collect();
        assert_eq!((handlers, alarms, events.len()), (vec!["a", "b"], None, 1));
    }

    #[test]
    fn alarms_are_replaced_cancelled_and_listed_by_name() {
        let set: Arc<[Alarm]> = Arc::from([alarm("b", 1)]);
        let mut effects = EffectCollector::new(&GuestCall { alarms: Some(&set), ..UPDATE });
        assert_eq!(effects.cancel_alarm("a"), Ok(false));
        effects.set_alarm(alarm("a", 2)).unwrap();
        effects.set_alarm(alarm("b", 3)).unwrap();
        let listed: Vec<_> = effects.alarms().iter().map(|a| (&*a.name, a.due_ms)).collect();
        assert_eq!(listed, [("a", 2), ("b", 3)]);
        assert_eq!(effects.cancel_alarm("b"), Ok(true));
        assert_eq!(effects.into_effects().alarms.map(|alarms| alarms.len()), Some(1));
    }

    #[test]
    fn queries_have_no_effects() {
        let mut effects = EffectCollector::new(&GuestCall { kind: HandlerKind::Query, ..UPDATE });
        assert_eq!(effects.send(to(), "a", b"1".to_vec()), Err(EffectError::NotInQuery));
        assert_eq!(effects.publish("said", b"1".to_vec()), Err(EffectError::NotInQuery));
        assert_eq!(effects.set_alarm(alarm("a", 1)), Err(EffectError::NotInQuery));
        assert_eq!(effects.cancel_alarm("a"), Err(EffectError::NotInQuery));
        assert_eq!(effects.into_effects(), Effects::default());
    }

    #[test]
    fn what_the_own_type_has_no_handler_for_is_refused_when_it_is_set() {
        let own = list();
        let mut effects = EffectCollector::new(&GuestCall { own: Some(&own), ..UPDATE });
        let refused = |effect: Effect<()>, why: &str| match effect {
            Err(EffectError::Invalid(text)) => assert!(text.contains(why), "{text}"),
            other => panic!("{other:?}"),
        };
        let calls = |handler: &str| Alarm { handler: handler.into(), ..alarm("a", 1) };
        refused(effects.set_alarm(calls("gone")), "the type list has no handler \"gone\"");
        refused(effects.set_alarm(calls("get")), "is a query");
        refused(effects.send(to(), "gone", b"1".to_vec()), "the type list has no handler");
        assert_eq!(effects.set_alarm(calls("ring")), Ok(()));
        assert_eq!(effects.send(to(), "get", b"1".to_vec()), Ok(()));
        let other = Ok("todo/1".parse().unwrap());
        assert_eq!(
            effects.send(other, "gone", b"1".to_vec()),
            Ok(()),
            "it may have the handler later"
        );
        let effects = effects.into_effects();
        assert_eq!(
            (effects.messages.len(), effects.alarms.map(|alarms| alarms.len())),
            (2, Some(1))
        );
    }

    #[test]
    fn a_message_to_a_type_that_may_not_be_called_is_refused_and_nothing_else() {
        let policy = Arc::new(CallPolicy {
            type_name: TypeName::new("evil").unwrap(),
            revision: 2,
            deployed_by: "ci".to_owned(),
            recorded: TypeSet::only([TypeName::new("list").unwrap()]),
            configured: None,
        });
        let call = GuestCall { call_policy: Some(&policy), ..UPDATE };
        let mut effects = EffectCollector::new(&call);
        let to = |id: &str| Ok(id.parse().unwrap());
        for permitted in ["list/home", "evil/other"] {
            assert_eq!(effects.send(to(permitted), "a", b"1".to_vec()), Ok(()), "{permitted}");
        }
        let Err(EffectError::Invalid(text)) = effects.send(to("todo/1"), "a", b"1".to_vec()) else {
            panic!("the message was accepted");
        };
        for part in ["call-not-permitted: the message was not sent", "evil may not", "call:todo"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(effects.set_alarm(alarm("a", 1)), Ok(()), "an alarm calls the object itself");
        assert_eq!(effects.into_effects().messages.len(), 2);
    }

    #[test]
    fn what_is_not_well_formed_or_too_much_is_refused() {
        let is_invalid = |effect: Effect<()>| matches!(effect, Err(EffectError::Invalid(_)));
        let is_too_much = |effect: Effect<()>| matches!(effect, Err(EffectError::TooMuch(_)));
        let mut effects = update();
        assert!(is_invalid(effects.send(Err("no".to_owned()), "a", b"1".to_vec())));
        assert!(is_invalid(effects.send(to(), "A", b"1".to_vec())));
        assert!(is_invalid(effects.send(to(), "a", b"{".to_vec())));
        assert!(is_too_much(effects.send(to(), "a", vec![b' '; MESSAGE_BYTES_MAX + 1])));
        for name in ["", "changed", "reset", "closed", "Said", "1", "a b"] {
            assert!(is_invalid(effects.publish(name, b"1".to_vec())), "{name}");
        }
        assert!(is_invalid(effects.set_alarm(alarm("", 1))));
        assert!(is_invalid(effects.set_alarm(Alarm { every_ms: Some(999), ..alarm("a", 1) })));
        for n in 0..ALARMS_MAX {
            effects.set_alarm(alarm(&n.to_string(), 1)).unwrap();
        }
        assert!(is_too_much(effects.set_alarm(alarm("more", 1))));
        for _ in 0..MESSAGES_PER_CALL_MAX {
            effects.send(to(), "a", b"1".to_vec()).unwrap();
        }
        assert!(is_too_much(effects.send(to(), "a", b"1".to_vec())));
        for _ in 0..EVENTS_PER_CALL_MAX {
            effects.publish("said", b"1".to_vec()).unwrap();
        }
        assert!(is_too_much(effects.publish("said", b"1".to_vec())));
    }
}
