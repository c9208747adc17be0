//! Maps a request's method and path to its route. Pure.
//!
//! A path is split at its slashes first, and then each segment is percent-decoded exactly once: `%2F` in a key is
//! a slash in the key, and `%252F` is the text `%2F`. No segment is interpreted as a relative path. The methods of
//! an object depend on its type and are not checked here.

use std::borrow::Cow;

use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{ObjectId, TypeName};
use http::Method;
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use super::query::Known;

/// Handlers whose names have another meaning in paths.
const RESERVED: [&str; 5] = ["get", "put", "owner", "events", "deactivate"];

/// Purpose of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<'a> {
    /// Calling a handler.
    Call {
        /// The called object.
        id: ObjectId,
        /// Name of the handler.
        handler: Cow<'a, str>,
    },
    /// Calling a query handler by `GET`.
    Query {
        /// The called object.
        id: ObjectId,
        /// Name of the handler.
        handler: Cow<'a, str>,
    },
    /// Method that does not apply to an object or a handler. The object's type determines which methods do.
    Misfit {
        /// The object.
        id: ObjectId,
        /// Its handler, if the request names one.
        handler: Option<Cow<'a, str>>,
    },
    /// Reading an object's state.
    Get(ObjectId),
    /// Replacing an object's state.
    Put(ObjectId),
    /// Deleting an object.
    Delete(ObjectId),
    /// Showing an object's location.
    Owner(ObjectId),
    /// Watching an object.
    Events(ObjectId),
    /// Unloading an object from memory.
    Deactivate(ObjectId),
    /// Showing an object's alarms and messages.
    Messages(ObjectId),
    /// Retrying dead letters.
    RetryMessages(ObjectId),
    /// Dropping dead letters.
    DropMessages(ObjectId),
    /// Retrying failed alarms.
    RetryAlarms(ObjectId),
    /// Dropping failed alarms.
    DropAlarms(ObjectId),
    /// Firing an object's earliest due alarm.
    Wake(ObjectId),
    /// Listing the objects of a type.
    List(TypeName),
    /// Uploading a component.
    Deploy,
    /// Listing the types.
    Types,
    /// Showing one type.
    Type(TypeName),
    /// Showing the progress of the nodes with a type's roll-out.
    Rollout(TypeName),
    /// Rehearsing a component on real states.
    Rehearse,
    /// Showing the progress of the last rehearsal.
    Rehearsal(TypeName),
    /// Rehearsing a component on the states of the given objects, at the request of another node.
    RehearsalShare(TypeName),
    /// Removing a type.
    RemoveType(TypeName),
    /// Making an older revision current.
    Rollback(TypeName),
    /// Lifting an object's quarantine.
    Resume(ObjectId),
    /// Describing the objects of all types for tools.
    OpenApi,
    /// Describing all other routes for tools.
    AdminOpenApi,
    /// Listing the nodes.
    Nodes,
    /// Draining a node.
    Drain(Cow<'a, str>),
    /// Describing the API.
    Root,
    /// Reporting that the process runs.
    Health,
    /// Reporting whether the node accepts calls.
    Ready,
    /// Exporting the node's metrics.
    Metrics,
    /// Explaining an error code.
    Problem(Cow<'a, str>),
    /// Serving a static file, by its name without decoding.
    Web(&'a str),
}

impl Route<'_> {
    /// Returns whether the route evaluates `If-Match`, and for changes `If-None-Match`.
    pub(super) fn is_conditional(&self) -> bool {
        matches!(
            self,
            Self::Call { .. }
                | Self::Query { .. }
                | Self::Get(_)
                | Self::Put(_)
                | Self::Delete(_)
                | Self::Messages(_)
                | Self::RetryMessages(_)
                | Self::DropMessages(_)
                | Self::RetryAlarms(_)
                | Self::DropAlarms(_)
                | Self::Wake(_)
                | Self::Resume(_)
        )
    }

    /// Returns whether the route calls an object, on terms that it parses from the headers.
    pub(super) fn is_call(&self) -> bool {
        self.is_conditional() || matches!(self, Self::Events(_))
    }

    /// Returns the parameters that the URL may have; `None` for static files, whose parameters are for the page's
    /// scripts.
    pub(super) fn parameters(&self) -> Option<Known> {
        let (names, repeated): (&'static [&'static str], &'static [&'static str]) = match self {
            Self::Web(_) => return None,
            Self::List(_) => (&["prefix", "after", "limit", "active"], &[]),
            Self::Events(_) => (&["last_event_id"], &[]),
            Self::Query { .. } => (&["argument"], &[]),
            Self::RetryMessages(_)
            | Self::DropMessages(_)
            | Self::RetryAlarms(_)
            | Self::DropAlarms(_) => (&["number"], &[]),
            Self::Deploy => (
                &["canary", "canary_key", "force", "max_failures", "rehearse", "wait"],
                &["canary_key"],
            ),
            Self::Rehearse => (&["sample", "wait"], &[]),
            Self::RemoveType(_) => (&["force"], &[]),
            Self::Rollout(_) => (&["live", "until", "generation"], &[]),
            Self::Rollback(_) => (&["to", "wait"], &[]),
            _ => (&[], &[]),
        };
        Some(Known { names, repeated })
    }
}

/// Whether a handler of this name cannot be called by its name.
pub(super) fn is_reserved(handler: &str) -> bool {
    RESERVED.contains(&handler)
}

/// Returns the route of a request.
///
/// # Errors
/// [`ErrorCode::UnknownRoute`], [`ErrorCode::MethodNotAllowed`], [`ErrorCode::UnknownHandler`] for a reserved name, and
/// [`ErrorCode::InvalidObjectId`].
pub fn find<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, Problem> {
    if let Some(rest) = path.strip_prefix("/v1/objects/") {
        return object_route(method, rest);
    }
    match path {
        "/v1/types" if method == Method::POST => Ok(Route::Deploy),
        "/v1/rehearsals" if method == Method::POST => Ok(Route::Rehearse),
        "/v1/rehearsals" => Err(not_allowed(method, "POST")),
        "/v1/types" if is_read(method) => Ok(Route::Types),
        "/v1/types" => Err(not_allowed(method, "GET, HEAD, POST")),
        "/v1/openapi.json" => read_only(method, Route::OpenApi),
        "/v1/openapi-admin.json" => read_only(method, Route::AdminOpenApi),
        "/v1/nodes" => read_only(method, Route::Nodes),
        "/" => read_only(method, Route::Root),
        "/healthz" => read_only(method, Route::Health),
        "/readyz" => read_only(method, Route::Ready),
        "/metrics" => read_only(method, Route::Metrics),
        _ => named_route(method, path),
    }
}

fn named_route<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, Problem> {
    let named = |prefix| path.strip_prefix(prefix).filter(|name: &&str| is_one_part(name));
    if let Some(name) = named("/v1/types/") {
        let name = || TypeName::new(&decode(name)?).map_err(|error| invalid_id(&error));
        return match method {
            &Method::GET | &Method::HEAD => Ok(Route::Type(name()?)),
            &Method::DELETE => Ok(Route::RemoveType(name()?)),
            _ => Err(not_allowed(method, "GET, HEAD, DELETE")),
        };
    }
    if let Some((name, rest)) =
        path.strip_prefix("/v1/types/").and_then(|rest| rest.split_once('/'))
    {
        let type_name = || TypeName::new(&decode(name)?).map_err(|error| invalid_id(&error));
        return match rest {
            "rehearsal" if method == Method::POST => Ok(Route::RehearsalShare(type_name()?)),
            "rehearsal" => read_only(method, Route::Rehearsal(type_name()?)),
            "rollout" => read_only(method, Route::Rollout(type_name()?)),
            "rollback" if method == Method::POST => Ok(Route::Rollback(type_name()?)),
            "rollback" => Err(not_allowed(method, "POST")),
            _ => Err(unknown_route(path).into()),
        };
    }
    if let Some(name) = path.strip_prefix("/v1/nodes/").and_then(|rest| rest.strip_suffix("/drain"))
        && is_one_part(name)
    {
        if method != Method::POST {
            return Err(not_allowed(method, "POST"));
        }
        return Ok(Route::Drain(decode(name)?));
    }
    if let Some(name) = path.strip_prefix("/web/") {
        return read_only(method, Route::Web(name));
    }
    if let Some(name) = named("/problems/") {
        return read_only(method, Route::Problem(decode(name)?));
    }
    Err(unknown_route(path).into())
}

fn object_route<'a>(method: &Method, rest: &'a str) -> Result<Route<'a>, Problem> {
    let mut parts = rest.split('/');
    let type_name = decode(parts.next().unwrap_or_default())?;
    let Some(key) = parts.next() else {
        let type_name = TypeName::new(&type_name).map_err(|error| invalid_id(&error))?;
        return read_only(method, Route::List(type_name));
    };
    let id = ObjectId::new(&type_name, &decode(key)?).map_err(|error| invalid_id(&error))?;
    let Some(handler) = parts.next() else {
        return match method {
            &Method::GET | &Method::HEAD => Ok(Route::Get(id)),
            &Method::PUT => Ok(Route::Put(id)),
            &Method::DELETE => Ok(Route::Delete(id)),
            _ => Ok(Route::Misfit { id, handler: None }),
        };
    };
    let rest_of = parts.next();
    let two_parts = match (handler, rest_of, parts.next()) {
        ("messages", Some("retry"), None) => Some(Route::RetryMessages(id.clone())),
        ("alarms", Some("retry"), None) => Some(Route::RetryAlarms(id.clone())),
        ("alarms", Some("due"), None) => Some(Route::Wake(id.clone())),
        _ => None,
    };
    if let Some(route) = two_parts {
        return if method == Method::POST { Ok(route) } else { Err(not_allowed(method, "POST")) };
    }
    if rest_of.is_some() || handler.is_empty() {
        let error = unknown_route(rest).with_hint("write a slash within a key as %2F");
        return Err(error.into());
    }
    handler_route(method, id, decode(handler)?)
}

fn handler_route<'a>(
    method: &Method,
    id: ObjectId,
    handler: Cow<'a, str>,
) -> Result<Route<'a>, Problem> {
    match (handler.as_ref(), method) {
        ("quarantine", &Method::DELETE) => return Ok(Route::Resume(id)),
        ("messages", &Method::DELETE) => return Ok(Route::DropMessages(id)),
        ("alarms", &Method::DELETE) => return Ok(Route::DropAlarms(id)),
        ("messages", &Method::GET | &Method::HEAD) => return Ok(Route::Messages(id)),
        _ => {}
    }
    if !is_reserved(&handler) {
        return Ok(match method {
            &Method::POST => Route::Call { id, handler },
            &Method::GET | &Method::HEAD if handler != "quarantine" => Route::Query { id, handler },
            _ => Route::Misfit { id, handler: Some(handler) },
        });
    }
    match handler.as_ref() {
        "owner" => read_only(method, Route::Owner(id)),
        "deactivate" if method == Method::POST => Ok(Route::Deactivate(id)),
        "deactivate" => Err(not_allowed(method, "POST")),
        "events" => read_only(method, Route::Events(id)),
        name => {
            let text = format!(
                "the handler {name:?} of {id} has no path; expected a request to the object"
            );
            let error = Error::new(ErrorCode::UnknownHandler, text);
            let method = name.to_uppercase();
            Err(Problem::of(
                error.with_hint(format!("send {method} to the path of the object")),
                &id,
            ))
        }
    }
}

fn is_one_part(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn read_only<'a>(method: &Method, route: Route<'a>) -> Result<Route<'a>, Problem> {
    if is_read(method) { Ok(route) } else { Err(not_allowed(method, "GET, HEAD")) }
}

fn decode(part: &str) -> Result<Cow<'_, str>, Error> {
    // Most segments need no decoding. A valid path is ASCII; other bytes are checked below.
    if part.is_ascii() && !part.contains('%') {
        return Ok(Cow::Borrowed(part));
    }
    if !has_whole_escapes(part) {
        let text = "the path contains a % that is not followed by two hexadecimal digits";
        return Err(Error::new(ErrorCode::InvalidObjectId, text).with_hint("write % as %25"));
    }
    percent_decode_str(part).decode_utf8().map_err(|_| {
        Error::new(ErrorCode::InvalidObjectId, "the path is not UTF-8 after percent-decoding")
    })
}

/// Whether two hexadecimal digits follow each `%`. The decoder would leave a stray one unchanged, and then two
/// spellings would name the same object.
fn has_whole_escapes(part: &str) -> bool {
    part.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes().take(2);
        digits.next().is_some_and(|digit| digit.is_ascii_hexdigit())
            && digits.next().is_some_and(|digit| digit.is_ascii_hexdigit())
    })
}

fn invalid_id(error: &highlander_core::id::Error) -> Problem {
    Error::new(ErrorCode::InvalidObjectId, error.to_string()).into()
}

pub(super) fn unknown_route(path: &str) -> Error {
    let path: String = path.chars().take(100).collect();
    Error::new(ErrorCode::UnknownRoute, format!("there is no resource at {path:?}"))
}

/// Returns the error for a method that a path does not accept, with the methods that it accepts.
pub(super) fn not_allowed(method: &Method, allowed: impl Into<Cow<'static, str>>) -> Problem {
    let allowed = allowed.into();
    let text = format!("{method} is not supported by this path; expected {allowed}");
    Problem::from(Error::new(ErrorCode::MethodNotAllowed, text)).with_allow(allowed)
}

#[cfg(test)]
mod tests;
