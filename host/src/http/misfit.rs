//! Methods and handlers that an object does not support. Their errors have priority over conditions and idempotency
//! keys (RFC 9110, 13.2.1).
//!
//! An object may run another revision than the current one, as in a canary or after a failed upgrade. An unsupported
//! method or handler is therefore reported only if no revision that the object may run supports it.

use highlander_core::catalog::record::TypeRecord;
use highlander_core::engine::Description;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::ObjectId;
use http::Method;
use http::request::Parts;

use super::problem::Problem;
use super::{Api, Reply, allow, objects, request, response, route};

impl Api {
    /// Replaces an answer that does not depend on the handler by the error for an unsupported method or handler. The
    /// node and the object check headers first, and execute nothing if they fail.
    pub(super) async fn unless_misfit(
        &self,
        parts: &Parts,
        answer: Result<Reply, Problem>,
        id: &ObjectId,
        handler: Option<&str>,
    ) -> Result<Reply, Problem> {
        if !self.is_early(parts, &answer, handler) || parts.headers.contains_key(request::HOPS) {
            return answer;
        }
        let catalog = self.router.node().catalog();
        let Ok(current) = catalog.current(id.type_name()).await else {
            return answer;
        };
        if takes(&current.description, &parts.method, handler) {
            return answer;
        }
        let Some(record) = catalog.record(id.type_name()) else {
            return answer;
        };
        let may_run = may_run(&record, self.router.node().revisions_of(id));
        if may_run.iter().any(|description| takes(description, &parts.method, handler)) {
            return answer;
        }
        let known = may_run.into_iter().find(|known| allow::methods(known, handler).is_some());
        Err(misfit(known.unwrap_or(&current.description), &parts.method, id, handler))
    }

    /// Whether an answer says nothing about the handler, because it was found before the object looked for it.
    fn is_early(
        &self,
        parts: &Parts,
        answer: &Result<Reply, Problem>,
        handler: Option<&str>,
    ) -> bool {
        let is_read = parts.method.is_safe();
        match answer {
            Ok(reply) => is_read && reply.headers().contains_key(response::REPLAYED),
            Err(problem) => match problem.code() {
                ErrorCode::VersionMismatch | ErrorCode::IdempotencyKeyReused => true,
                // The change was executed, even if the current revision lacks the handler.
                ErrorCode::AnswerExpired => is_read,
                // Invalid headers, but not an invalid argument.
                ErrorCode::MalformedRequest if is_read => self.terms_of_read(parts).is_err(),
                ErrorCode::MalformedRequest => self.terms_of_change(parts).is_err(),
                // Without such a handler, the path still supports other methods.
                ErrorCode::UnknownHandler => {
                    matches!(handler, Some("messages" | "quarantine" | "alarms"))
                }
                _ => false,
            },
        }
    }

    /// Returns the error for a method that an object, or one of its handlers, does not support.
    pub(super) async fn misfit(
        &self,
        method: &Method,
        id: &ObjectId,
        handler: Option<&str>,
    ) -> Problem {
        match self.router.node().catalog().current(id.type_name()).await {
            Err(error) => Problem::of(error, id),
            Ok(revision) => misfit(&revision.description, method, id, handler),
        }
    }

    pub(super) async fn with_allow(
        &self,
        problem: Problem,
        id: &ObjectId,
        handler: Option<&str>,
    ) -> Problem {
        let current = self.router.node().catalog().current(id.type_name()).await;
        let methods = current.ok().and_then(|known| allow::methods(&known.description, handler));
        // The object may run another revision than the current one.
        let methods = methods.filter(|methods| !methods.contains("GET"));
        problem.with_allow(methods.unwrap_or_else(|| "POST".to_owned()))
    }
}

/// Returns the descriptions of the revisions that an object may run: those that it runs, if it is active on this node,
/// or else all that are left of its type.
fn may_run(record: &TypeRecord, own: Option<[u32; 2]>) -> Vec<&Description> {
    let entries = record.revisions.iter().filter(|entry| match own {
        Some(own) => own.contains(&entry.number),
        None => !entry.is_collected && record.has(entry.number),
    });
    entries.map(|entry| &entry.description).collect()
}

fn takes(description: &Description, method: &Method, handler: Option<&str>) -> bool {
    allow::methods(description, handler)
        .is_some_and(|methods| methods.split(", ").any(|one| one == method.as_str()))
}

fn misfit(
    description: &Description,
    method: &Method,
    id: &ObjectId,
    handler: Option<&str>,
) -> Problem {
    let Some(methods) = allow::methods(description, handler) else {
        let text = description.no_handler(handler.unwrap_or_default());
        return Problem::of(objects::no_handler(text, id), id);
    };
    let whole = match *method {
        Method::GET | Method::HEAD => Some("get"),
        Method::PUT => Some("put"),
        _ => None,
    };
    match whole.filter(|name| handler.is_none() && description.handler(name).is_none()) {
        Some(name) => {
            let error = Error::new(ErrorCode::MethodNotAllowed, description.no_handler(name));
            Problem::of(error, id).with_allow(methods)
        }
        None => route::not_allowed(method, methods),
    }
}
