//! Validates a component's description. An invalid description rejects the upload and states the reason.

mod schema;

use highlander_core::engine::{Description, Handler, HandlerKind};
use highlander_core::id::TypeName;
use highlander_core::limits::{
    DESCRIPTION_BYTES_MAX, HANDLER_COUNT_MAX, HANDLER_NAME_BYTES_MAX, SCHEMA_DEPTH_MAX,
};
use serde_json::Value;

use super::bindings::exports::highlander::object::behavior as wit;
use super::names::is_handler_name;

/// Length limit for a media type.
const CONTENT_TYPE_BYTES_MAX: usize = 127;
/// Names that are used by HTTP routes.
const RESERVED_NAMES: &[&str] = &["owner", "events", "deactivate"];

/// Returns the validated description, or the reason why it is invalid.
pub(super) fn check(said: wit::Description) -> Result<Description, String> {
    let bytes = size(&said);
    if bytes > DESCRIPTION_BYTES_MAX {
        return Err(format!(
            "its description has {bytes} bytes; expected at most {DESCRIPTION_BYTES_MAX}"
        ));
    }
    if said.schema_version == 0 {
        return Err("its schema version is 0; expected at least 1".to_owned());
    }
    if !is_content_type(&said.state_content_type) {
        let content_type = super::text::cut(&said.state_content_type, 100);
        return Err(format!("{content_type:?} is not a valid media type of a state"));
    }
    if said.handlers.len() > HANDLER_COUNT_MAX {
        let count = said.handlers.len();
        return Err(format!("it has {count} handlers; expected at most {HANDLER_COUNT_MAX}"));
    }
    let name = TypeName::new(&said.name).map_err(|invalid| invalid.to_string())?;
    let state = schema_of(&said.state_schema, "the state")?;
    let mut handlers =
        said.handlers.into_iter().map(handler).collect::<Result<Vec<Handler>, String>>()?;
    handlers.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(name) = first_duplicate(&handlers) {
        return Err(format!("it has two handlers named {name:?}"));
    }
    if let Some(Handler { name, .. }) = handlers.iter().find(|handler| is_of_wrong_kind(handler)) {
        return Err(format!(
            "{name:?} is of the wrong kind: get must be a query, and put an update"
        ));
    }
    Ok(Description {
        name,
        documentation: said.documentation,
        schema_version: said.schema_version,
        state_content_type: said.state_content_type,
        state,
        handlers,
        publish_state: said.publish_state,
    })
}

fn size(said: &wit::Description) -> usize {
    let handlers = said.handlers.iter().map(|handler| {
        let schemas = handler.argument_schema.len() + handler.reply_schema.len();
        handler.name.len() + handler.documentation.len() + schemas
    });
    let own = said.name.len() + said.documentation.len() + said.state_content_type.len();
    own + said.state_schema.len() + handlers.sum::<usize>()
}

fn handler(said: wit::Handler) -> Result<Handler, String> {
    if !is_handler_name(&said.name) {
        return Err(format!(
            "handler name {:?} is not valid; expected 1 to {HANDLER_NAME_BYTES_MAX} of a-z, 0-9, - and _, starting \
             with a letter",
            super::text::cut(&said.name, 100)
        ));
    }
    if RESERVED_NAMES.contains(&said.name.as_str()) {
        return Err(format!("{:?} is reserved and cannot be the name of a handler", said.name));
    }
    let argument = schema_of(&said.argument_schema, &format!("the argument of {:?}", said.name))?;
    let reply = schema_of(&said.reply_schema, &format!("the reply of {:?}", said.name))?;
    Ok(Handler {
        name: said.name,
        kind: match said.kind {
            wit::HandlerKind::Update => HandlerKind::Update,
            wit::HandlerKind::Query => HandlerKind::Query,
        },
        documentation: said.documentation,
        argument,
        reply,
    })
}

fn schema_of(text: &str, of: &str) -> Result<Value, String> {
    let depth = depth_of(text);
    if depth > SCHEMA_DEPTH_MAX {
        return Err(format!(
            "the schema of {of} has {depth} levels of nested objects and arrays; expected at most {SCHEMA_DEPTH_MAX}: \
             define parts of it in $defs, and refer to them"
        ));
    }
    let schema = serde_json::from_str(text)
        .map_err(|invalid| format!("the schema of {of} is not JSON: {invalid}"))?;
    schema::check(&schema)
        .map_err(|why| format!("the schema of {of} is not a valid JSON Schema: {why}"))?;
    Ok(schema)
}

/// Returns the maximum nesting depth of objects and arrays in a text, which need not be valid JSON.
fn depth_of(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_in_text, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_text => is_escaped = true,
            b'"' => is_in_text = !is_in_text,
            _ if is_in_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether `get` is an update or `put` a query. Reading and replacing the whole state call these two handlers.
fn is_of_wrong_kind(handler: &Handler) -> bool {
    matches!(
        (handler.name.as_str(), handler.kind),
        ("get", HandlerKind::Update) | ("put", HandlerKind::Query)
    )
}

fn is_content_type(text: &str) -> bool {
    text.len() <= CONTENT_TYPE_BYTES_MAX
        && text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty())
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn first_duplicate(sorted: &[Handler]) -> Option<&str> {
    let pairs = sorted.iter().zip(sorted.iter().skip(1));
    pairs.map(|(a, b)| (&a.name, &b.name)).find(|(a, b)| a == b).map(|(a, _)| a.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> wit::Description {
        wit::Description {
            name: "counter".to_owned(),
            documentation: String::new(),
            schema_version: 1,
            state_content_type: "application/json".to_owned(),
            state_schema: "true".to_owned(),
            handlers: vec![handler_named("value"), handler_named("add")],
            publish_state: false,
        }
    }

    fn handler_named(name: &str) -> wit::Handler {
        wit::Handler {
            name: name.to_owned(),
            kind: wit::HandlerKind::Query,
            documentation: String::new(),
            argument_schema: "{}".to_owned(),
            reply_schema: "true".to_owned(),
        }
    }

    #[test]
    fn handlers_are_sorted_by_name() {
        let description = check(said()).unwrap();
        let names: Vec<_> = description.handlers.iter().map(|h| h.name.as_str()).collect();
        assert_eq!(names, ["add", "value"]);
        assert!(description.handler("value").is_some());
    }

    /// Returns a schema with `depth` levels, with brackets in strings that must not count.
    fn nested(depth: usize) -> String {
        let levels = depth - 1;
        format!(r#"{}{{"title":"[{{\"["}}{}"#, r#"{"not":"#.repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn schemas_are_nested_to_a_bound() {
        for change in [
            |d: &mut wit::Description, text: String| d.state_schema = text,
            |d: &mut wit::Description, text: String| d.handlers[0].argument_schema = text,
            |d: &mut wit::Description, text: String| d.handlers[0].reply_schema = text,
        ] {
            let checked = |depth: usize| {
                let mut said = said();
                change(&mut said, nested(depth));
                check(said)
            };
            assert!(checked(SCHEMA_DEPTH_MAX).is_ok());
            for depth in [SCHEMA_DEPTH_MAX + 1, 120, 124, 1_000, 100_000] {
                let text = checked(depth).unwrap_err();
                let why = format!("has {depth} levels of nested objects and arrays");
                assert!(text.contains(&why) && text.contains("expected at most 48"), "{text}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        #[track_caller]
        fn check_refused(change: impl FnOnce(&mut wit::Description), why: &str) {
            let mut said = said();
            change(&mut said);
            let text = check(said).unwrap_err();
            assert!(text.contains(why), "{text}");
        }
        check_refused(|d| d.name = "Counter".to_owned(), "type name");
        check_refused(|d| d.schema_version = 0, "expected at least 1");
        check_refused(|d| d.state_content_type = "json".to_owned(), "media type");
        check_refused(|d| d.state_schema = "3".to_owned(), "neither an object");
        check_refused(|d| d.state_schema = "{\"type\":\"text\"}".to_owned(), "type is not");
        check_refused(|d| d.handlers.push(handler_named("put")), "put an update");
        check_refused(|d| d.state_schema = "{".to_owned(), "is not JSON");
        check_refused(|d| d.handlers.push(handler_named("add")), "two handlers");
        check_refused(|d| d.handlers.push(handler_named("owner")), "reserved");
        check_refused(|d| d.handlers.push(handler_named("_x")), "handler name");
        check_refused(|d| d.handlers.push(handler_named("")), "handler name");
        check_refused(|d| d.handlers = vec![handler_named("a"); 257], "257 handlers");
        check_refused(|d| d.documentation = "x".repeat(1024 * 1024), "bytes; expected at most");
    }
}
