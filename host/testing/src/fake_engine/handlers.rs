//! The handlers of scripted components.

use highlander_core::engine::HandlerKind;

/// All handlers of a scripted component: name, kind and description.
pub(super) const HANDLERS: &[(&str, HandlerKind, &str)] = &[
    ("add", HandlerKind::Update, "Adds the argument, and answers with the sum."),
    ("call", HandlerKind::Update, "Calls the handler of another object: [type, key, handler]."),
    ("caller", HandlerKind::Query, "Who calls."),
    ("get", HandlerKind::Query, "The whole state."),
    ("grow", HandlerKind::Update, "Gives the state as many bytes of ballast as the argument says."),
    ("hold", HandlerKind::Query, "Lets the instance use as many bytes of memory as it says."),
    ("increment", HandlerKind::Update, "Adds one, and answers with the sum."),
    ("publish", HandlerKind::Update, "Publishes the argument as the event news."),
    ("put", HandlerKind::Update, "Replaces the whole state."),
    ("reject", HandlerKind::Update, "Refuses."),
    ("reject_after_change", HandlerKind::Update, "Adds one, then refuses."),
    ("send", HandlerKind::Update, "Sends increment so many times: [type, key, count]."),
    ("set_alarm", HandlerKind::Update, "Has increment called so many milliseconds later."),
    ("sleep", HandlerKind::Update, "Waits as many milliseconds as the argument says."),
    ("trap", HandlerKind::Update, "Traps."),
    ("trap_after_change", HandlerKind::Update, "Adds one, then traps."),
    ("value", HandlerKind::Query, "The number."),
    ("version", HandlerKind::Query, "The version of the state, as the call has it."),
];
