//! Compatibility check: a new revision must keep the handlers of the present one, their arguments and replies, and
//! the schema of the state. [`schema`] compares the schemas. The check runs no code and reads no states.

mod schema;

use crate::engine::{Description, Handler};
use crate::error::{Error, ErrorCode};

/// Maximum number of breaking changes that the error lists.
const BREAKS_MAX: usize = 100;

/// Rejects a description that removes anything on which callers or stored states rely.
///
/// # Errors
/// [`ErrorCode::ComponentRefused`] with the list of breaking changes, or because the comparison takes too many steps.
pub fn compatible(present: &Description, new: &Description) -> Result<(), Error> {
    let mut breaks = Vec::new();
    let mut steps = schema::Steps::default();
    compare_states(present, new, &mut breaks, &mut steps);
    for handler in &present.handlers {
        match new.handler(&handler.name) {
            None => breaks.push(format!("the handler {} is gone", handler.name)),
            Some(other) => compare_handlers(handler, other, &mut breaks, &mut steps),
        }
    }
    let name = &new.name;
    let text = if steps.are_exceeded() {
        format!(
            "the schemas of the component are too complex to be compared with the current revision of {name}: that \
             takes more than {} steps; expected fewer nested alternatives (anyOf, oneOf)",
            schema::STEPS_MAX
        )
    } else if breaks.is_empty() {
        return Ok(());
    } else {
        let breaks = list(breaks);
        format!("the component breaks compatibility with the current revision of {name}: {breaks}")
    };
    Err(Error::new(ErrorCode::ComponentRefused, text).with_hint("to deploy it anyway, use --force"))
}

fn compare_states(
    present: &Description,
    new: &Description,
    breaks: &mut Vec<String>,
    steps: &mut schema::Steps,
) {
    let version = new.schema_version;
    if version < present.schema_version {
        let old = present.schema_version;
        breaks.push(format!("its schema version is {version}, but stored states may have {old}"));
    }
    // A higher version means a migration, whose correctness only real states can show.
    if version != present.schema_version {
        return;
    }
    if new.state_content_type == present.state_content_type {
        let narrowed = schema::narrowed("the state", &present.state, &new.state, steps);
        let still = |line| format!("{line}, but its schema version is still {version}");
        breaks.extend(narrowed.into_iter().map(still));
    } else {
        let old = &present.state_content_type;
        breaks
            .push(format!("states are no longer {old}, but its schema version is still {version}"));
    }
}

fn compare_handlers(
    present: &Handler,
    new: &Handler,
    breaks: &mut Vec<String>,
    steps: &mut schema::Steps,
) {
    let name = &present.name;
    if new.kind != present.kind {
        breaks.push(format!("the handler {name} is no longer of the same kind"));
    }
    let argument = format!("the argument of {name}");
    breaks.extend(schema::narrowed(&argument, &present.argument, &new.argument, steps));
    let reply = format!("the reply of {name}");
    breaks.extend(schema::widened(&reply, &present.reply, &new.reply, steps));
}

fn list(mut breaks: Vec<String>) -> String {
    let more_count = breaks.len().saturating_sub(BREAKS_MAX);
    breaks.truncate(BREAKS_MAX);
    if more_count > 0 {
        breaks.push(format!("and {more_count} more"));
    }
    breaks.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn description(schema_version: u32, handlers: &[(&str, &str)]) -> Description {
        let handlers: Vec<_> = handlers
            .iter()
            .map(|(name, kind)| {
                json!({"name": name, "kind": kind, "documentation": "", "argument": true, "reply": true})
            })
            .collect();
        serde_json::from_value(json!({
            "name": "todo", "documentation": "", "schema_version": schema_version,
            "state_content_type": "application/json", "state": true, "handlers": handlers,
        }))
        .unwrap()
    }

    fn with_schemas(mut description: Description, schema: Value) -> Description {
        for handler in &mut description.handlers {
            (handler.argument, handler.reply) = (schema.clone(), schema.clone());
        }
        description.state = schema;
        description
    }

    #[test]
    fn more_handlers_and_a_newer_schema_break_nothing() {
        let present = description(1, &[("get", "query")]);
        let new = description(2, &[("get", "query"), ("put", "update")]);
        assert_eq!(compatible(&present, &new), Ok(()));
    }

    #[test]
    fn every_break_is_named() {
        let present = description(2, &[("get", "query"), ("put", "update")]);
        let error = compatible(&present, &description(1, &[("get", "update")])).unwrap_err();
        assert_eq!(error.code, ErrorCode::ComponentRefused);
        for part in ["schema version is 1", "handler put is gone", "handler get is no longer"] {
            assert!(error.message.contains(part), "{part} in {}", error.message);
        }
    }

    #[test]
    fn what_handlers_take_and_give_is_compared_and_the_state_under_its_version() {
        let present = with_schemas(description(1, &[("a", "query")]), json!({"type": "string"}));
        let new = with_schemas(description(1, &[("a", "query")]), json!({"type": "null"}));
        let error = compatible(&present, &new).unwrap_err();
        let parts = [
            "the argument of a: it no longer accepts a string",
            "the reply of a: it may now be null",
            "the state: it no longer accepts a string, but its schema version is still 1",
        ];
        for part in parts {
            assert!(error.message.contains(part), "{part} in {}", error.message);
        }
        let error = compatible(&present, &Description { schema_version: 2, ..new }).unwrap_err();
        assert!(!error.message.contains("the state"), "{}", error.message);
    }

    #[test]
    fn another_codec_of_the_state_needs_another_version() {
        let present = description(1, &[]);
        let in_cbor = |schema_version| Description {
            state_content_type: "application/cbor".to_owned(),
            ..description(schema_version, &[])
        };
        let error = compatible(&present, &in_cbor(1)).unwrap_err();
        assert!(error.message.contains("no longer application/json"), "{}", error.message);
        assert_eq!(compatible(&present, &in_cbor(2)), Ok(()));
    }

    /// Returns a schema in which each level has the next one twice.
    fn doubled(levels: usize, leaf: &Value) -> Value {
        let level = |level: usize| {
            let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
            (level.to_string(), json!({"anyOf": [next, next]}))
        };
        let mut defs: serde_json::Map<_, _> = (0..levels).map(level).collect();
        defs.insert(levels.to_string(), leaf.clone());
        json!({"$ref": "#/$defs/0", "$defs": defs})
    }

    #[test]
    fn what_takes_too_long_to_compare_is_refused() {
        let with = |levels: usize, leaf: Value| {
            with_schemas(description(1, &[("a", "query")]), doubled(levels, &leaf))
        };
        let (present, new) = (with(40, json!(true)), with(40, json!({})));
        let error = compatible(&present, &new).unwrap_err();
        assert_eq!(error.code, ErrorCode::ComponentRefused);
        assert!(error.message.contains("more than 100000 steps"), "{}", error.message);
        // Equal schemas cost no steps.
        assert_eq!(compatible(&present, &present), Ok(()));
        assert_eq!(compatible(&with(3, json!(true)), &with(3, json!({}))), Ok(()));
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let names: Vec<String> = (100..250).map(|number| format!("h{number}")).collect();
        let handlers: Vec<_> = names.iter().map(|name| (name.as_str(), "query")).collect();
        let error = compatible(&description(1, &handlers), &description(1, &[])).unwrap_err();
        assert!(error.message.ends_with("h199 is gone; and 50 more"), "{}", error.message);
    }
}
