//! Whether a new revision keeps what the present one offers.

use crate::engine::Description;
use crate::error::{Code, Error};

/// Refuses a description that takes away what callers or stored states rely on.
///
/// # Errors
/// [`Code::ComponentRefused`] with the whole list of breaks.
pub fn compatible(present: &Description, new: &Description) -> Result<(), Error> {
    let mut breaks = Vec::new();
    if new.schema_version < present.schema_version {
        let (old, new) = (present.schema_version, new.schema_version);
        breaks.push(format!("its schema version is {new}, and states may be written with {old}"));
    }
    if new.state_content_type != present.state_content_type {
        breaks.push(format!("states are no longer {}", present.state_content_type));
    }
    for handler in &present.handlers {
        match new.handler(&handler.name) {
            None => breaks.push(format!("the handler {} is gone", handler.name)),
            Some(other) if other.kind != handler.kind => {
                breaks.push(format!("the handler {} is no longer the same kind", handler.name));
            }
            Some(_) => {}
        }
    }
    if breaks.is_empty() {
        return Ok(());
    }
    let text =
        format!("the component breaks the present revision of {}: {}", new.name, breaks.join("; "));
    Err(Error::new(Code::ComponentRefused, text)
        .with_hint("deploy it with --force if that is meant"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        assert_eq!(error.code, Code::ComponentRefused);
        for part in ["schema version is 1", "handler put is gone", "handler get is no longer"] {
            assert!(error.message.contains(part), "{part} in {}", error.message);
        }
    }
}
