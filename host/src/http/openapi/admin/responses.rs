//! Responses of the operations. Each document has the schema of the type that the node serializes.

use highlander_core::activation::effects::view::{AlarmView, EffectsView, MessageView, WakeResult};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::operations::Operation;
use crate::http::openapi::schemas::WireSchemas;
use crate::http::openapi::{PROBLEM, answer_headers};
use crate::http::static_files;
use crate::wire::nodes::{Drained, Nodes, Root};
use crate::wire::objects::{Deactivated, List, ObjectLocation};
use crate::wire::problem::CONTENT;
use crate::wire::rehearsals::{Begun, Rehearsal};
use crate::wire::rollouts::{Released, RolloutStatus};
use crate::wire::types::{Removed, Type, Types};

/// Statuses of problems, with their causes.
const PROBLEMS: [(&str, &str); 4] = [
    ("401", "The request has no token that the node accepts."),
    ("403", "The token has none of the required scopes."),
    ("404", "The type, object, node, error code or file does not exist."),
    ("412", "The object does not meet the condition in If-Match or If-None-Match."),
];

/// Returns the problem responses: the default, and one for each status that operations list.
pub(super) fn problems(schema: &Value) -> Value {
    let any = ("", "The cause of the error, and whether the request took effect.");
    let unready = ("503", "The node does not accept calls.");
    let all = [any, unready].into_iter().chain(PROBLEMS);
    let content = json!({ CONTENT: { "schema": schema } });
    let problem = |(status, what)| {
        let name = format!("Problem{status}");
        (name, json!({ "description": what, "content": content }))
    };
    Value::Object(all.map(problem).collect())
}

/// Returns the responses of an operation, which may need a token.
pub(super) fn of(operation: Operation, needs_token: bool, schemas: &mut WireSchemas) -> Value {
    let mut responses = successes(operation, schemas);
    let mut refer = |status: &str| {
        let reference = json!({ "$ref": format!("{PROBLEM}{status}") });
        responses.insert(if status.is_empty() { "default" } else { status }.to_owned(), reference);
    };
    refer("");
    if needs_token {
        refer("401");
        refer("403");
    }
    if operation.path().contains('{') && operation != Operation::ListObjects {
        refer("404");
    }
    if operation.is_change() || operation == Operation::ShowEffects {
        refer("412");
    }
    if operation == Operation::Ready {
        refer("503");
    }
    Value::Object(responses)
}

/// Returns the responses of requests that succeed.
fn successes(operation: Operation, schemas: &mut WireSchemas) -> Map<String, Value> {
    let mut all = Map::new();
    for (status, what) in statuses(operation) {
        let mut response = Map::new();
        response.insert("description".to_owned(), json!(what));
        if operation.is_change() {
            response.insert("headers".to_owned(), answer_headers());
        }
        if operation.is_tagged() {
            response.insert("headers".to_owned(), document_headers());
        }
        response.insert("content".to_owned(), content(operation, status, schemas));
        all.insert((*status).to_owned(), Value::Object(response));
    }
    if operation.is_tagged() {
        let known = json!({ "description": "The client already has the document." });
        all.insert("304".to_owned(), known);
    }
    all
}

/// Returns the headers of a document.
fn document_headers() -> Value {
    let what = "Entity tag of the document, for If-None-Match.";
    json!({ "ETag": { "description": what, "schema": { "type": "string" } } })
}

/// Returns the statuses of success, with their meanings.
fn statuses(operation: Operation) -> &'static [(&'static str, &'static str)] {
    match operation {
        Operation::Deploy => &[
            ("200", "Nothing changed: the component is current."),
            ("201", "The revision is new, and every node serves it."),
            ("202", "The roll-out has begun, with wait=false."),
        ],
        Operation::RollBack => &[
            ("200", "Every node serves the revision."),
            ("202", "The roll-back has begun, with wait=false."),
        ],
        Operation::Rehearse => &[
            ("200", "The rehearsal has ended."),
            ("202", "The rehearsal has begun, with wait=false."),
        ],
        Operation::RetryMessages
        | Operation::DropMessages
        | Operation::RetryAlarms
        | Operation::DropAlarms => {
            &[("200", "The number of messages or alarms that were changed.")]
        }
        Operation::LiftQuarantine => &[("200", "Whether the code of the object had failed.")],
        Operation::FireAlarm => &[("200", "The alarm that fired, if any.")],
        Operation::Drain => &[("200", "The number of objects that the node still owns.")],
        _ => &[("200", "The request succeeded.")],
    }
}

/// Returns the content of a successful response.
fn content(operation: Operation, status: &str, wire: &mut WireSchemas) -> Value {
    match operation {
        Operation::ListTypes => json::<Types>(wire),
        Operation::Deploy | Operation::RollBack => json::<Released>(wire),
        Operation::ShowType => json::<Type>(wire),
        Operation::RemoveType => json::<Removed>(wire),
        Operation::ShowRollout => json::<RolloutStatus>(wire),
        Operation::Rehearse if status == "202" => json::<Begun>(wire),
        Operation::Rehearse | Operation::ShowRehearsal => json::<Rehearsal>(wire),
        Operation::ListObjects => json::<List>(wire),
        Operation::Locate => json::<ObjectLocation>(wire),
        Operation::Deactivate => json::<Deactivated>(wire),
        Operation::LiftQuarantine => json::<bool>(wire),
        Operation::ShowEffects => json::<EffectsView<AlarmView<'_>, MessageView<'_>>>(wire),
        Operation::RetryMessages
        | Operation::DropMessages
        | Operation::RetryAlarms
        | Operation::DropAlarms => json::<usize>(wire),
        Operation::FireAlarm => json::<WakeResult>(wire),
        Operation::ListNodes => json::<Nodes>(wire),
        Operation::Drain => json::<Drained>(wire),
        Operation::Describe => json::<Root>(wire),
        Operation::Health | Operation::Ready | Operation::Metrics => text(["text/plain"]),
        Operation::ExplainProblem => text(["text/markdown"]),
        Operation::ServeFile => text(static_files::media_types()),
        Operation::DescribeObjects | Operation::DescribeAdmin => {
            json!({ "application/json": { "schema": { "type": "object" } } })
        }
    }
}

fn json<T: JsonSchema>(schemas: &mut WireSchemas) -> Value {
    json!({ "application/json": { "schema": schemas.take::<T>() } })
}

/// Returns content that is not a document of the API, in one of these media types.
fn text(media_types: impl IntoIterator<Item = &'static str>) -> Value {
    let schema = || json!({ "schema": { "type": "string" } });
    let content = media_types.into_iter().map(|name| (name.to_owned(), schema()));
    Value::Object(content.collect())
}
