//! Parameters of the operations.

use serde_json::{Map, Value, json};

use super::operations::Operation;
use crate::http::openapi::parameters::{
    self, CONSISTENCY, IDEMPOTENCY_KEY, IF_ABSENT, IF_MATCH, IF_NONE_MATCH, PLACE, TIMEOUT,
    of_list, query,
};

/// Returns the parameters that operations reference.
pub(super) fn shared() -> Value {
    let mut shared = parameters::shared();
    if let Some(shared) = shared.as_object_mut() {
        shared.extend(of_paths());
    }
    shared
}

/// Returns the parameters of paths, apart from the key, which both documents have.
fn of_paths() -> Map<String, Value> {
    let of_path = |(name, pattern, what): (&str, &str, &str)| {
        let schema = json!({ "type": "string", "pattern": pattern });
        let parameter = json!({
            "name": name, "in": "path", "required": true, "schema": schema, "description": what,
        });
        (name.to_owned(), parameter)
    };
    let all = [
        ("type", "^[a-z][a-z0-9-]{0,62}$", "The object type."),
        ("node", "^[^/]+$", "The name of the node, or an unambiguous prefix of it."),
        ("code", "^[a-z][a-z-]*$", "The error code."),
        ("file", "^[A-Za-z0-9_-][A-Za-z0-9._-]*$", "The name of the file."),
    ];
    all.into_iter().map(of_path).collect()
}

/// Returns the parameters of an operation.
pub(super) fn of(operation: Operation) -> Value {
    let names = operation.path().split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(format!("{PLACE}{name}"))
    });
    let headers = of_headers(operation).iter().map(|name| (*name).to_owned());
    let references = names.chain(headers).map(|name| json!({ "$ref": name }));
    references.chain(of_query(operation)).collect()
}

fn of_headers(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::ShowEffects => &[TIMEOUT, CONSISTENCY, IF_MATCH],
        Operation::Deploy | Operation::RollBack => &[IDEMPOTENCY_KEY],
        changing if changing.is_change() => &[TIMEOUT, IDEMPOTENCY_KEY, IF_MATCH, IF_ABSENT],
        tagged if tagged.is_tagged() => &[IF_NONE_MATCH],
        _ => &[],
    }
}

/// Returns the parameters in the query; a test compares their names with those that the route takes.
fn of_query(operation: Operation) -> Vec<Value> {
    let number = |what| query("number", json!({ "type": "integer", "minimum": 0 }), what);
    let wait = |what| query("wait", json!({ "type": "boolean", "default": true }), what);
    match operation {
        Operation::ListObjects => of_list(),
        Operation::Deploy => {
            of_deployment(wait("Whether to respond only when every node serves the revision."))
        }
        Operation::Rehearse => vec![
            query("sample", sample(), "Number of objects to try, or all of them."),
            wait("Whether to respond only when the rehearsal has ended."),
        ],
        Operation::RemoveType => {
            let flag = json!({ "type": "boolean", "default": false });
            vec![query("force", flag, "Whether to remove a type that has objects.")]
        }
        Operation::ShowRollout => vec![
            query(
                "live",
                json!({ "type": "boolean" }),
                "Whether to count the revisions of active objects.",
            ),
            query(
                "until",
                json!({ "type": "string", "enum": ["ready", "applied", "probed"] }),
                "Point of the roll-out that each node waits for, for at most 250 ms. Requires generation.",
            ),
            query(
                "generation",
                json!({ "type": "integer", "minimum": 0 }),
                "Generation of the type's record that until refers to.",
            ),
        ],
        Operation::RollBack => vec![
            query(
                "to",
                json!({ "type": "integer", "minimum": 1 }),
                "The revision to return to; by default the one before the current one.",
            ),
            wait("Whether to respond only when every node serves the revision."),
        ],
        Operation::RetryMessages | Operation::DropMessages => {
            vec![number("Number of the dead letter; without it, all of them.")]
        }
        Operation::RetryAlarms | Operation::DropAlarms => {
            vec![number("Number of the failed alarm; without it, all of them.")]
        }
        _ => Vec::new(),
    }
}

fn of_deployment(wait: Value) -> Vec<Value> {
    let share = json!({ "type": "string", "pattern": "^[1-9][0-9]?%?$" });
    let keys = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
    vec![
        query("canary", share, "Share of the objects to deploy to, like 10%."),
        query("canary_key", keys, "Keys of the objects to deploy to."),
        query(
            "force",
            json!({ "type": "boolean", "default": false }),
            "Whether to deploy a component that is incompatible, or fails its rehearsal.",
        ),
        query(
            "max_failures",
            json!({ "type": "string", "pattern": r"^(none|[0-9]{1,2}(\.[0-9]+)?%?|100%?)$", "default": "1%" }),
            "Share of the objects that may fail before the revision is rolled back, or none for any number.",
        ),
        query(
            "rehearse",
            sample(),
            "Number of objects to rehearse the component on first, or all of them.",
        ),
        wait,
    ]
}

fn sample() -> Value {
    json!({ "type": "string", "pattern": "^(all|[1-9][0-9]*)$" })
}
