//! Methods that an object and its handlers accept, for the `Allow` header.
//!
//! Pure. The methods depend on the type, not only on the path: a type may lack `get` and `put`, and a handler
//! accepts one method or two.

use highlander_core::engine::{Description, HandlerKind};

const READS: &str = "GET, HEAD";

/// Returns the methods of an object of this type, or of one of its handlers; `None` if the type has no such handler.
pub(super) fn methods(description: &Description, handler: Option<&str>) -> Option<String> {
    let has = |name: &str| description.handler(name).is_some();
    let mut methods = Vec::new();
    match handler {
        None => {
            methods.extend(has("get").then_some(READS));
            methods.extend(has("put").then_some("PUT"));
            methods.push("DELETE");
        }
        Some(name) => {
            let kind = description.handler(name).map(|handler| handler.kind);
            match name {
                "messages" => methods.extend([READS, "DELETE"]),
                "quarantine" => methods.push("DELETE"),
                "alarms" => {
                    methods.extend((kind == Some(HandlerKind::Query)).then_some(READS));
                    methods.push("DELETE");
                }
                _ => methods.extend((kind == Some(HandlerKind::Query)).then_some(READS)),
            }
            methods.extend(kind.map(|_| "POST"));
        }
    }
    (!methods.is_empty()).then(|| methods.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use highlander_core::engine::Handler;
    use highlander_core::id::TypeName;

    fn of(handlers: &[(&str, HandlerKind)]) -> Description {
        let handler = |&(name, kind): &(&str, HandlerKind)| Handler {
            name: name.to_owned(),
            kind,
            documentation: String::new(),
            argument: json!(true),
            reply: json!(true),
        };
        Description {
            name: TypeName::new("todo").unwrap(),
            documentation: String::new(),
            schema_version: 1,
            state_content_type: "application/json".to_owned(),
            state: json!(true),
            handlers: handlers.iter().map(handler).collect(),
            publish_state: false,
        }
    }

    #[test]
    fn only_what_is_there_is_named() {
        use HandlerKind::{Query, Update};
        let whole = of(&[("add", Update), ("get", Query), ("put", Update), ("value", Query)]);
        let bare = of(&[("messages", Update), ("quarantine", Query)]);
        let table = [
            (&whole, None, Some("GET, HEAD, PUT, DELETE")),
            (&bare, None, Some("DELETE")),
            (&of(&[("put", Update)]), None, Some("PUT, DELETE")),
            (&of(&[("get", Query)]), None, Some("GET, HEAD, DELETE")),
            (&whole, Some("add"), Some("POST")),
            (&whole, Some("value"), Some("GET, HEAD, POST")),
            (&whole, Some("nothing"), None),
            (&whole, Some("messages"), Some("GET, HEAD, DELETE")),
            (&bare, Some("messages"), Some("GET, HEAD, DELETE, POST")),
            (&whole, Some("quarantine"), Some("DELETE")),
            (&whole, Some("alarms"), Some("DELETE")),
            (&bare, Some("quarantine"), Some("DELETE, POST")),
        ];
        for (description, handler, expected) in table {
            assert_eq!(methods(description, handler).as_deref(), expected, "{handler:?}");
        }
    }
}
