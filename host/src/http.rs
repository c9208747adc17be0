//! HTTP API, version 1: parses requests into calls and renders their results as responses.
//!
//! Malformed and unauthorized requests are rejected here ([`auth`], [`csrf`]), and every error has the
//! same format ([`problem`]). Routing is a pure function ([`route`]). Connection limits are enforced in
//! [`server`], [`idle_timeout`], [`unsent`] and [`connection_io`]. Well-formed requests go to the router, which decides
//! everything about objects. [`peers`] is the client side of the same routes, for requests to other nodes.

mod allow;
pub mod auth;
mod backlog;
mod conditions;
mod connection;
mod connection_io;
mod conversation;
mod csrf;
mod documents;
mod event_source;
mod events;
mod head;
mod idle_timeout;
mod media;
mod misfit;
mod objects;
mod openapi;
mod owner;
pub mod peers;
pub mod problem;
mod query;
mod rehearsals;
mod request;
mod request_body;
mod response;
mod response_body;
pub mod route;
pub mod server;
mod static_files;
mod system;
mod terms;
#[cfg(test)]
mod tests;
mod type_documents;
mod types;
mod unread_body;
mod unsent;
mod websocket;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use highlander_core::activation::{GivenUpAction, Precondition};
use highlander_core::caller::Caller;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::NodeId;
use highlander_core::limits::CALL_TIMEOUT;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use parking_lot::RwLock;

use crate::rehearsal::Rehearsals;
use crate::router::Router;
use auth::Authorizer;
use documents::Documents;
use problem::Problem;
use query::Parameters;
use response_body::Content;
use route::Route;
use terms::Terms;
use unread_body::Unread;

/// Response of the HTTP API.
pub(crate) type Reply = Response<Content>;

/// Configuration of a node's HTTP side.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address at which other machines reach this node, as listed in `/v1/nodes`.
    pub address: String,
    /// Authentication and authorization of requests.
    pub access: Arc<Authorizer>,
    /// Whether to accept only requests whose `Host` is an IP address or `localhost`. Ignored if tokens are required.
    pub is_for_this_machine: bool,
    /// Directory whose files are served at `/web/`, if any.
    pub web: Option<PathBuf>,
    /// Timeout of calls that do not set one.
    pub call_timeout: Duration,
    /// Maximum size of an uploaded component, in bytes.
    pub component_max: usize,
    /// Maximum time for a request's head to arrive, counted from its first byte.
    pub header_timeout: Duration,
    /// Maximum time for a request's body to arrive.
    pub body_timeout: Duration,
    /// Maximum time for which a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// Maximum time for which a client may accept none of the data sent to it.
    pub write_timeout: Duration,
    /// Maximum number of response bytes that all clients together may leave unread.
    pub unsent_max: usize,
    /// Maximum number of response bytes that the client of one connection may leave unread.
    pub unsent_connection_max: usize,
    /// Maximum number of concurrent connections. A connection above the limit gets an error response and is closed.
    pub connection_max: usize,
}

impl Config {
    /// Returns the defaults for a node that is reached at `address` and accepts every caller.
    #[must_use]
    pub fn new(address: String) -> Self {
        Self {
            address,
            access: Arc::new(Authorizer::open()),
            is_for_this_machine: false,
            web: None,
            call_timeout: CALL_TIMEOUT,
            component_max: 4 * 1024 * 1024,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
            // Event streams are written to at least every 15 s, so a client that is gone is detected within 45 s.
            write_timeout: Duration::from_secs(30),
            unsent_max: 256 * 1024 * 1024,
            unsent_connection_max: 16 * 1024 * 1024,
            connection_max: 16_384,
        }
    }
}

/// Head of a request that its caller is allowed to make.
struct Authorized<'a> {
    route: Route<'a>,
    caller: Caller,
    parameters: Parameters,
}

/// Request handler of one node.
#[derive(Debug)]
pub struct Api {
    router: Arc<Router>,
    rehearsals: Arc<Rehearsals>,
    documents: Documents,
    config: Config,
    /// The node's name as a header value, ready to add to every response. It changes with each session.
    node_header: RwLock<(NodeId, HeaderValue)>,
}

impl Api {
    /// Creates the handler for the router's node. It routes calls to the objects' owners.
    #[must_use]
    pub fn new(router: Arc<Router>, config: Config) -> Self {
        let id = router.node().id();
        let header = header_of(&id);
        let documents = Documents::new(router.node().metrics().documents_built.clone());
        let node_header = RwLock::new((id, header));
        Self { router, rehearsals: Arc::default(), documents, config, node_header }
    }

    fn node_header(&self) -> HeaderValue {
        let id = self.router.node().id();
        {
            let known = self.node_header.read();
            if known.0 == id {
                return known.1.clone();
            }
        }
        let header = header_of(&id);
        let mut known = self.node_header.write();
        *known = (id, header.clone());
        header
    }

    /// Handles one request. Never fails: a panic becomes an error response too.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let (mut parts, body) = request.into_parts();
        let answering = AssertUnwindSafe(self.route(&mut parts, body)).catch_unwind();
        let answer = answering.await.unwrap_or_else(|_| Err(after_panic(&parts.method).into()));
        let mut reply = answer.unwrap_or_else(|problem| problem.into_reply());
        let headers = reply.headers_mut();
        headers.insert(response::NODE, self.node_header());
        if parts.method.is_safe() && !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        let status = reply.status().as_u16();
        tracing::debug!(method = %parts.method, path = parts.uri.path(), status, "answered");
        Ok(reply)
    }

    async fn route(&self, parts: &mut Parts, body: Incoming) -> Result<Reply, Problem> {
        let body = Unread::new(parts, body, &self.config);
        let route = match self.authorize(parts, parts.uri.path()) {
            Ok(Authorized { route, caller, parameters }) => {
                parts.extensions.insert(caller);
                parts.extensions.insert(parameters);
                if let Err(problem) = self.find_type(parts, &route).await {
                    body.turn_away().await;
                    return Err(problem);
                }
                route
            }
            Err(problem) => {
                body.turn_away().await;
                return Err(problem);
            }
        };
        match route {
            Route::Call { id, handler } => self.call(parts, body, id, handler).await,
            Route::Query { id, handler } => self.query(parts, id, handler).await,
            Route::Misfit { id, handler } => {
                Err(self.misfit(&parts.method, &id, handler.as_deref()).await)
            }
            Route::Get(id) => self.get(parts, id).await,
            Route::Put(id) => self.put(parts, body, id).await,
            Route::Delete(id) => self.delete(parts, id).await,
            Route::Owner(id) => self.owner(parts, &id).await,
            Route::Events(id) => self.events(parts, id).await,
            Route::Deactivate(id) => self.deactivate(parts, &id).await,
            Route::List(type_name) => self.list(parts, type_name).await,
            Route::Deploy => self.deploy(parts, body).await,
            Route::Types => self.types(parts).await,
            Route::OpenApi => self.openapi(parts).await,
            Route::AdminOpenApi => self.admin_openapi(parts).await,
            Route::Type(name) => self.type_record(parts, name.as_str()).await,
            Route::Rollout(name) => self.rollout(parts, &name).await,
            Route::Rehearse => self.rehearse(parts, body).await,
            Route::Rehearsal(name) => self.rehearsal(&name),
            Route::RehearsalShare(name) => self.rehearse_share(parts, body, &name).await,
            Route::Rollback(name) => self.roll_back(parts, &name).await,
            Route::RemoveType(name) => self.remove_type(parts, name).await,
            Route::Resume(id) => self.resume(parts, id).await,
            Route::Wake(id) => self.wake(parts, id).await,
            Route::Messages(id) => self.messages(parts, id).await,
            Route::RetryMessages(id) => self.dead_letters(parts, id, GivenUpAction::Retry).await,
            Route::DropMessages(id) => self.dead_letters(parts, id, GivenUpAction::Discard).await,
            Route::RetryAlarms(id) => self.failed_alarms(parts, id, GivenUpAction::Retry).await,
            Route::DropAlarms(id) => self.failed_alarms(parts, id, GivenUpAction::Discard).await,
            Route::Nodes => self.nodes(parts).await,
            Route::Drain(name) => self.drain(parts, &name).await,
            Route::Root => Ok(self.root()),
            Route::Health => Ok(system::health()),
            Route::Ready => self.ready(),
            Route::Metrics => Ok(self.metrics()),
            Route::Problem(code) => system::problem(&code),
            Route::Web(name) => self.web(name).await,
        }
    }

    /// Evaluates the request's head: its route, its caller and its query parameters.
    fn authorize<'a>(&self, parts: &Parts, path: &'a str) -> Result<Authorized<'a>, Problem> {
        head::check(parts)?;
        let route = route::find(&parts.method, path)?;
        csrf::check(parts, &self.config)?;
        let caller = self.config.access.authorize(&parts.headers, &route)?;
        if !matches!(route, Route::Misfit { .. }) {
            conditions::check(parts, &route)?;
            terms::check(&parts.headers, &route)?;
        }
        let parameters = match route.parameters() {
            Some(known) => query::read(&parts.uri, known)?,
            None => Parameters::default(),
        };
        Ok(Authorized { route, caller, parameters })
    }

    /// Reads the terms of a call from the request's head, with the given precondition.
    fn terms(
        &self,
        parts: &Parts,
        precondition: Result<Precondition, Error>,
    ) -> Result<Terms, Error> {
        Terms::read(&parts.headers, precondition?, self.config.call_timeout)
    }

    /// Rejects a call of an unknown type if the client waits for `100 Continue`. Other clients get the same error from
    /// the router, after their body was read.
    async fn find_type(&self, parts: &Parts, route: &Route<'_>) -> Result<(), Problem> {
        let (Route::Call { id, .. } | Route::Put(id)) = route else { return Ok(()) };
        if !unread_body::awaits_continue(parts.version, &parts.headers) {
            return Ok(());
        }
        match self.router.node().catalog().current(id.type_name()).await {
            Err(error) if error.code == ErrorCode::UnknownType => Err(Problem::of(error, id)),
            _ => Ok(()),
        }
    }
}

fn header_of(node: &NodeId) -> HeaderValue {
    // Names generated by this program are always valid header values.
    HeaderValue::from_str(node.as_str()).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
}

/// Returns the error for a request during which the host panicked. The panic itself was logged.
fn after_panic(method: &Method) -> Error {
    if method.is_safe() {
        return Error::new(ErrorCode::Internal, "the node had an internal error");
    }
    // The call may have reached its object, so "not executed" could be wrong.
    let text = "the node had an internal error, and the request may have taken effect";
    Error::new(ErrorCode::OutcomeUnknown, text)
}
