//! Routes of objects: calls, reading and replacing the state, listings, and the object's location.
//!
//! A call continues if its client disconnects: the node completes every call that it has started.

use std::borrow::Cow;

use bytes::Bytes;
use highlander_core::activation::{Done, GivenUpAction, Operation};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::limits::{ARGUMENT_BYTES_MAX, HANDLER_NAME_BYTES_MAX, LIST_COUNT_MAX};
use http::StatusCode;
use http::request::Parts;
use tracing::Instrument as _;

use super::problem::Problem;
use super::request::malformed;
use super::terms::Terms;
use super::unread_body::{Kind, Unread};
use super::{Api, Reply, conditions, query, request, response};
use crate::node::list::Query;
use crate::router::listing::Listing;
use crate::wire::objects::{Deactivated, List};

/// Default page size.
const LIST_COUNT: usize = 100;

impl Api {
    pub(super) async fn call(
        &self,
        parts: &Parts,
        body: Unread,
        id: ObjectId,
        handler: Cow<'_, str>,
    ) -> Result<Reply, Problem> {
        let terms = check_name(&handler, &id).and_then(|()| self.terms_of_change(parts));
        let called = match argument(parts, body, terms).await {
            Err(error) => Err(Problem::of(error, &id)),
            Ok((argument, terms)) => {
                let operation = Operation::Handle { handler: handler.clone().into(), argument };
                self.change(parts, id.clone(), operation, Ok(terms)).await
            }
        };
        self.unless_misfit(parts, called, &id, Some(&handler)).await
    }

    /// Calls a handler by `GET`, which must not change anything. An update is rejected, whichever revision the
    /// object runs.
    pub(super) async fn query(
        &self,
        parts: &Parts,
        id: ObjectId,
        handler: Cow<'_, str>,
    ) -> Result<Reply, Problem> {
        check_name(&handler, &id).map_err(|error| Problem::of(error, &id))?;
        let argument = query::parameters(parts).into_iter().next().map(|(_, argument)| argument);
        let argument = request::json_text(argument.unwrap_or_default().into());
        let argument = argument.map_err(|error| {
            let hint = "send percent-encoded JSON: ?argument=%7B%22limit%22%3A5%7D";
            Problem::of(error.with_hint(hint), &id)
        })?;
        let operation = Operation::Query { handler: handler.clone().into(), argument };
        let read = self.read(parts, &id, operation).await;
        match self.unless_misfit(parts, read, &id, Some(&handler)).await {
            Err(problem) if problem.code() == ErrorCode::MethodNotAllowed => {
                Err(self.with_allow(problem, &id, Some(&handler)).await)
            }
            read => read,
        }
    }

    pub(super) async fn get(&self, parts: &Parts, id: ObjectId) -> Result<Reply, Problem> {
        let argument = Bytes::from_static(b"null");
        let operation = Operation::Handle { handler: "get".into(), argument };
        let read = self.read(parts, &id, operation).await;
        self.whole(parts, read, &id).await
    }

    pub(super) async fn put(
        &self,
        parts: &Parts,
        body: Unread,
        id: ObjectId,
    ) -> Result<Reply, Problem> {
        let put = match argument(parts, body, self.terms_of_change(parts)).await {
            Err(error) => Err(Problem::of(error, &id)),
            Ok((argument, terms)) => {
                let operation = Operation::Handle { handler: "put".into(), argument };
                self.change(parts, id.clone(), operation, Ok(terms)).await
            }
        };
        self.whole(parts, put, &id).await
    }

    /// Reports a missing `get` or `put` handler as a method that the object does not support. A node that forwards
    /// the call gets the original error: it may act for an object, which calls handlers and not methods.
    async fn whole(
        &self,
        parts: &Parts,
        answer: Result<Reply, Problem>,
        id: &ObjectId,
    ) -> Result<Reply, Problem> {
        let is_forwarded = parts.headers.contains_key(request::HOPS);
        match answer {
            Err(problem) if problem.code() == ErrorCode::UnknownHandler && !is_forwarded => {
                Err(self.misfit(&parts.method, id, None).await)
            }
            answer => self.unless_misfit(parts, answer, id, None).await,
        }
    }

    pub(super) async fn delete(&self, parts: &Parts, id: ObjectId) -> Result<Reply, Problem> {
        self.change(parts, id, Operation::Delete, self.terms_of_change(parts)).await
    }

    pub(super) async fn resume(&self, parts: &Parts, id: ObjectId) -> Result<Reply, Problem> {
        self.change(parts, id, Operation::Resume, self.terms_of_change(parts)).await
    }

    /// Fires the earliest due alarm, if any, at the request of another node or an operator.
    pub(super) async fn wake(&self, parts: &Parts, id: ObjectId) -> Result<Reply, Problem> {
        self.change(parts, id, Operation::Wake, self.terms_of_change(parts)).await
    }

    pub(super) async fn messages(&self, parts: &Parts, id: ObjectId) -> Result<Reply, Problem> {
        // The response has no tag to compare with `If-None-Match`, but a malformed header is rejected.
        let terms = self.terms_of_read(parts);
        let (done, owner) = self.operate(parts, &id, Operation::ShowEffects, terms).await?;
        Ok(response::of_the_moment(done, owner.as_ref()))
    }

    /// Retries or drops dead letters.
    pub(super) async fn dead_letters(
        &self,
        parts: &Parts,
        id: ObjectId,
        action: GivenUpAction,
    ) -> Result<Reply, Problem> {
        let number = read_number(parts, "a message")?;
        self.change(
            parts,
            id,
            Operation::DeadLetters { action, number },
            self.terms_of_change(parts),
        )
        .await
    }

    /// Retries or drops failed alarms.
    pub(super) async fn failed_alarms(
        &self,
        parts: &Parts,
        id: ObjectId,
        action: GivenUpAction,
    ) -> Result<Reply, Problem> {
        let number = read_number(parts, "a failed alarm")?;
        self.change(
            parts,
            id,
            Operation::FailedAlarms { action, number },
            self.terms_of_change(parts),
        )
        .await
    }

    async fn change(
        &self,
        parts: &Parts,
        id: ObjectId,
        operation: Operation,
        terms: Result<Terms, Error>,
    ) -> Result<Reply, Problem> {
        let (done, owner) = self.operate(parts, &id, operation, terms).await?;
        Ok(response::done(done, owner.as_ref()))
    }

    pub(super) fn terms_of_change(&self, parts: &Parts) -> Result<Terms, Error> {
        self.terms(parts, conditions::of_change(&parts.headers))
    }

    pub(super) fn terms_of_read(&self, parts: &Parts) -> Result<Terms, Error> {
        let known = conditions::known(&parts.headers);
        self.terms(parts, known.and_then(|_| conditions::of_read(&parts.headers)))
    }

    /// Handles a `GET`. The body is omitted if the client has the response cached.
    async fn read(
        &self,
        parts: &Parts,
        id: &ObjectId,
        operation: Operation,
    ) -> Result<Reply, Problem> {
        let headers = &parts.headers;
        let known = conditions::known(headers).map_err(|error| Problem::of(error, id))?;
        let terms = self.terms(parts, conditions::of_read(headers));
        let (done, owner) = self.operate(parts, id, operation, terms).await?;
        Ok(response::read(done, owner.as_ref(), &known))
    }

    /// Routes a call to its object. Also returns the owner if that is another node.
    pub(super) async fn operate(
        &self,
        parts: &Parts,
        id: &ObjectId,
        operation: Operation,
        terms: Result<Terms, Error>,
    ) -> Result<(Done, Option<NodeId>), Problem> {
        let terms = terms.map_err(|error| Problem::of(error, id))?;
        let (call, context) = terms.call(operation, request::caller(parts));
        let routing = self.router.route(id, &call, context);
        let answered = match call.origin.trace {
            None => routing.await,
            Some(trace) => {
                let span = tracing::info_span!("call", object = %id, trace = trace.trace_id());
                routing.instrument(span).await
            }
        };
        match answered.answer {
            Ok(done) => Ok((done, answered.owner)),
            Err(mut error) => {
                error.owner = error.owner.take().or(answered.owner);
                Err(Problem::of(error, id))
            }
        }
    }

    pub(super) async fn owner(&self, parts: &Parts, id: &ObjectId) -> Result<Reply, Problem> {
        let context = request::context(&parts.headers)?;
        let found = self.router.locate(id, context).await;
        let found = found.map_err(|error| Problem::of(error, id))?;
        Ok(response::json(StatusCode::OK, &found))
    }

    pub(super) async fn deactivate(&self, parts: &Parts, id: &ObjectId) -> Result<Reply, Problem> {
        let context = request::context(&parts.headers)?;
        let was_active = self.router.deactivate(id, context).await;
        let was_active = was_active.map_err(|error| Problem::of(error, id))?;
        let document = Deactivated { object: id.as_str().to_owned(), was_active };
        Ok(response::json(StatusCode::OK, &document))
    }

    pub(super) async fn list(&self, parts: &Parts, type_name: TypeName) -> Result<Reply, Problem> {
        let query = read_query(parts, type_name)?;
        let context = request::context(&parts.headers)?;
        let Listing { page, unanswered } = self.router.list(&query, context).await?;
        let document = List {
            type_name: query.type_name.as_str().to_owned(),
            keys: page.keys,
            next: page.next,
            unanswered: query.is_active.then_some(unanswered),
        };
        Ok(response::json(StatusCode::OK, &document))
    }
}

/// Parses the number of a message or a failed alarm; `None` means all of them.
fn read_number(parts: &Parts, of_what: &str) -> Result<Option<u64>, Error> {
    let mut number = None;
    for (name, value) in query::parameters(parts) {
        let read = value.parse();
        number = Some(read.map_err(|_| {
            malformed(format!(
                "the parameter {name:?} is not valid; expected the number of {of_what}"
            ))
        })?);
    }
    Ok(number)
}

/// Reads the body of a call, of at most [`ARGUMENT_BYTES_MAX`] bytes, and returns it with the parsed head.
pub(super) async fn argument<T>(
    parts: &Parts,
    body: Unread,
    said: Result<T, Error>,
) -> Result<(Bytes, T), Error> {
    let kind = Kind { media_type: "application/json", bytes_max: ARGUMENT_BYTES_MAX };
    let (bytes, said) = body.read(&parts.headers, kind, said).await?;
    Ok((request::json_argument(bytes)?, said))
}

/// Rejects a name that is longer than any handler's.
fn check_name(handler: &str, id: &ObjectId) -> Result<(), Error> {
    if handler.len() > HANDLER_NAME_BYTES_MAX {
        let text = format!(
            "{} has no handler of this name; expected at most {HANDLER_NAME_BYTES_MAX} characters",
            id.type_name()
        );
        return Err(no_handler(text, id));
    }
    Ok(())
}

pub(super) fn no_handler(text: String, id: &ObjectId) -> Error {
    let hint = format!("list its handlers: highlander types {}", id.type_name());
    Error::new(ErrorCode::UnknownHandler, text).with_hint(hint)
}

fn read_query(parts: &Parts, type_name: TypeName) -> Result<Query, Error> {
    let (prefix, after, limit) = (String::new(), None, LIST_COUNT);
    let mut read = Query { type_name, prefix, after, limit, is_active: false };
    for (name, value) in query::parameters(parts) {
        match name.as_str() {
            "prefix" => read.prefix = query::part_of_key(&name, value)?,
            "after" => {
                read.after = Some(query::part_of_key(&name, value)?).filter(|key| !key.is_empty());
            }
            "active" => read.is_active = query::flag(&name, &value)?,
            _ => {
                let limit = value.parse().ok().filter(|n| (1..=LIST_COUNT_MAX).contains(n));
                read.limit = limit.ok_or_else(|| {
                    malformed(format!(
                        "the parameter \"limit\" is not valid; expected a number from 1 to {LIST_COUNT_MAX}"
                    ))
                })?;
            }
        }
    }
    Ok(read)
}
