//! HTTP, version 1: turns requests into calls, and what comes of them into answers.
//!
//! Everything malformed ends here, and so does what the caller may not do ([`access`], [`cross_site`]); every error
//! has one form ([`problem`]). The routes are a pure function ([`route`]), the limits of a connection are kept in
//! [`accept`], [`patience`], [`unsent`] and [`wire`]. Nothing here decides anything about an object: a request that
//! is well formed is the router's. [`peers`] is the other side of the same routes: how this node asks others.

pub mod accept;
pub mod access;
mod allow;
mod announced;
mod backlog;
mod body;
mod conditions;
mod content;
mod conversation;
mod cross_site;
mod documents;
mod events;
mod exchange;
mod head;
mod media;
mod objects;
mod openapi;
mod pages;
mod patience;
pub mod peers;
pub mod problem;
mod query;
mod rehearsals;
mod reply;
mod request;
pub mod route;
#[cfg(test)]
mod tests;
mod types;
mod unsent;
mod web;
mod websocket;
mod wire;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;

use crate::caller::Caller;
use crate::error::{Code, Error};
use crate::id::NodeId;
use crate::limits::ARGUMENT_BYTES_MAX;
use crate::rehearsal::Rehearsals;
use crate::router::Router;
use access::Access;
use content::Content;
use problem::Problem;
use query::Parameters;
use route::Route;

/// What is answered.
pub(crate) type Reply = Response<Content>;

/// What the HTTP side of a node is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where other machines reach this node, as `/v1/nodes` shows it.
    pub address: String,
    /// Who is let in.
    pub access: Arc<Access>,
    /// Whether only this machine is to be answered: by an address or as localhost it is called then, unless it asks for
    /// tokens.
    pub is_for_this_machine: bool,
    /// The folder whose files are at `/web/`, if there is one.
    pub web: Option<PathBuf>,
    /// How long a call may take that names no time of its own.
    pub call_timeout: Duration,
    /// Largest component that may be uploaded, in bytes.
    pub component_max: usize,
    /// How long a request's head may take to arrive, from its first byte.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// How long a client may take none of what it is sent.
    pub write_timeout: Duration,
    /// How many bytes of answers all clients together may leave unread.
    pub unsent_max: usize,
    /// How many of them the client of one connection may leave unread.
    pub unsent_connection_max: usize,
    /// Connections at a time; one more is answered and closed.
    pub connection_max: usize,
}

impl Config {
    /// The defaults for a node that is reached at `address`, and lets everybody in.
    #[must_use]
    pub fn new(address: String) -> Self {
        Self {
            address,
            access: Arc::new(Access::open()),
            is_for_this_machine: false,
            web: None,
            call_timeout: Duration::from_secs(10),
            component_max: 4 * 1024 * 1024,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
            // Streams of events are written to every 15 s: who is gone is found out after 45 s.
            write_timeout: Duration::from_secs(30),
            unsent_max: 256 * 1024 * 1024,
            unsent_connection_max: 16 * 1024 * 1024,
            connection_max: 16_384,
        }
    }
}

/// Answers requests for one node.
#[derive(Debug)]
pub struct Api {
    router: Arc<Router>,
    rehearsals: Arc<Rehearsals>,
    config: Config,
    /// The node's name, ready to be sent with every answer. It changes with each session.
    node_header: RwLock<(NodeId, HeaderValue)>,
}

impl Api {
    /// What answers for the node of `router`, and brings calls wherever they belong.
    #[must_use]
    pub fn new(router: Arc<Router>, config: Config) -> Self {
        let id = router.node().id();
        let header = header_of(&id);
        let rehearsals = Arc::default();
        Self { router, rehearsals, config, node_header: RwLock::new((id, header)) }
    }

    fn node_header(&self) -> HeaderValue {
        let id = self.router.node().id();
        {
            // The pair is replaced as a whole.
            let known = self.node_header.read().unwrap_or_else(PoisonError::into_inner);
            if known.0 == id {
                return known.1.clone();
            }
        }
        let header = header_of(&id);
        let mut known = self.node_header.write().unwrap_or_else(PoisonError::into_inner);
        *known = (id, header.clone());
        header
    }

    /// Answers one request. Never fails: a panic becomes an answer too.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let (mut parts, body) = request.into_parts();
        let answering = AssertUnwindSafe(self.route(&mut parts, body)).catch_unwind();
        let answer = answering.await.unwrap_or_else(|_| Err(after_panic(&parts.method).into()));
        let mut reply = answer.unwrap_or_else(|problem| problem.into_reply());
        reply.headers_mut().insert(reply::NODE, self.node_header());
        let status = reply.status().as_u16();
        tracing::debug!(method = %parts.method, path = parts.uri.path(), status, "answered");
        Ok(reply)
    }

    async fn route(&self, parts: &mut Parts, body: Incoming) -> Result<Reply, Problem> {
        let admitted = match self.admit(parts, parts.uri.path()) {
            Ok((route, caller, parameters)) => {
                parts.extensions.insert(caller);
                parts.extensions.insert(parameters);
                announced::check(parts, &route, &body, &self.config).map(|()| route)
            }
            Err(problem) => Err(problem),
        };
        let route = match admitted {
            Ok(route) => route,
            Err(problem) => {
                if !announced::awaits_continue(parts.version, &parts.headers) {
                    body::turn_away(body, self.config.component_max).await;
                }
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
            Route::Type(name) => self.type_record(&name).await,
            Route::Rollout(name) => self.rollout(parts, &name).await,
            Route::Rehearse => self.rehearse(parts, body).await,
            Route::Rehearsal(name) => self.rehearsal(&name),
            Route::RehearsalShare(name) => self.rehearse_share(parts, body, &name).await,
            Route::Rollback(name) => self.roll_back(parts, &name).await,
            Route::RemoveType(name) => self.remove_type(parts, name).await,
            Route::Resume(id) => self.resume(parts, id).await,
            Route::Wake(id) => self.wake(parts, id).await,
            Route::Messages(id) => self.messages(parts, id).await,
            Route::RetryMessages(id) => self.dead_letters(parts, id, true).await,
            Route::DropMessages(id) => self.dead_letters(parts, id, false).await,
            Route::RetryAlarms(id) => self.failed_alarms(parts, id, true).await,
            Route::DropAlarms(id) => self.failed_alarms(parts, id, false).await,
            Route::Nodes => self.nodes(parts).await,
            Route::Drain(name) => self.drain(parts, &name).await,
            Route::Root => Ok(self.root()),
            Route::Health => Ok(pages::health()),
            Route::Ready => self.ready(),
            Route::Metrics => Ok(self.metrics()),
            Route::Problem(code) => pages::problem(&code),
            Route::Web(name) => self.web(name).await,
        }
    }

    /// All that the head of a request decides: where it goes, who makes it, and its parameters.
    fn admit<'a>(
        &self,
        parts: &Parts,
        path: &'a str,
    ) -> Result<(Route<'a>, Caller, Parameters), Problem> {
        head::check(parts)?;
        let route = route::find(&parts.method, path)?;
        cross_site::check(parts, &self.config)?;
        let caller = self.config.access.admit(&parts.headers, &route)?;
        let parameters = match route.parameters() {
            Some(known) => query::read(&parts.uri, known)?,
            None => Parameters::default(),
        };
        Ok((route, caller, parameters))
    }

    /// The body of a call: at most one argument long.
    async fn argument(&self, parts: &Parts, incoming: Incoming) -> Result<Bytes, Error> {
        let bytes = body::read(incoming, ARGUMENT_BYTES_MAX, self.config.body_timeout).await?;
        request::json_argument(&parts.headers, bytes)
    }
}

fn header_of(node: &NodeId) -> HeaderValue {
    // A name that cannot be a header is one that no node of this program has.
    HeaderValue::from_str(node.as_str()).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
}

/// What is said of a request in whose handling the host panicked. The panic itself went to the log.
fn after_panic(method: &Method) -> Error {
    if method.is_safe() {
        return Error::new(Code::Internal, "the node ran into an error of its own");
    }
    // The call may have reached its object, so "not executed" would be a guess.
    let text = "the node ran into an error of its own, and the request may have taken effect";
    Error::new(Code::OutcomeUnknown, text)
}
