//! Authentication and authorization: identifies the sender of every request and checks its permissions before
//! anything is executed.
//!
//! A bearer token identifies the client's principal, or marks the request as coming from a node. A forwarded
//! caller identity is accepted only from nodes.

pub(super) mod forwarded;

use std::fmt;
use std::sync::Arc;

use highlander_core::caller::Caller;
use highlander_core::caller::scopes::Permission;
use highlander_core::caller::tokens::{Tokens, is_same};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::Digest;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::RwLock;

use super::request::{CALLER, CHAIN, MESSAGE};
use super::route::Route;

/// Access policy of a node.
pub struct Authorizer {
    /// Tokens of the known principals; `None` if every caller may do everything.
    tokens: Option<RwLock<Arc<Tokens>>>,
    /// Tokens with which the cluster's nodes authenticate to each other; empty if they use none.
    node_tokens: Vec<Digest>,
}

/// Authorization that a request requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequiredScope<'a> {
    Nothing,
    /// The sender must be a node.
    Node,
    Right(Permission<'a>),
}

/// Authenticated sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sender {
    /// A node that acts on its own behalf.
    Node,
    /// A client, or the client on whose behalf a node forwards the request.
    Caller(Caller),
}

impl Authorizer {
    /// Creates a policy that accepts every caller.
    #[must_use]
    pub fn open() -> Self {
        Self::new(None, Vec::new())
    }

    /// Creates a policy that accepts callers with a token from `tokens`, or every caller if that is `None`. Nodes
    /// are recognized by any of `node_tokens`.
    #[must_use]
    pub fn new(tokens: Option<Tokens>, node_tokens: Vec<Digest>) -> Self {
        Self { tokens: tokens.map(|tokens| RwLock::new(Arc::new(tokens))), node_tokens }
    }

    /// Replaces the accepted tokens. Has no effect if the policy accepts every caller.
    pub fn replace(&self, tokens: Tokens) {
        if let Some(known) = &self.tokens {
            *known.write() = Arc::new(tokens);
        }
    }

    /// Whether callers must authenticate.
    pub(super) fn needs_token(&self) -> bool {
        self.tokens.is_some()
    }

    /// Returns the caller if it is authorized for the route.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthenticated`], [`ErrorCode::Forbidden`], and [`ErrorCode::MalformedRequest`] if a node sent an
    /// invalid caller.
    pub(super) fn authorize(
        &self,
        headers: &HeaderMap,
        route: &Route<'_>,
    ) -> Result<Caller, Error> {
        let need = need_of(route);
        if need == RequiredScope::Nothing {
            return Ok(Caller::Anonymous);
        }
        let sender = self.sender(headers)?;
        let caller = match (sender, need, route) {
            // The node lists this node's active objects on its own behalf.
            (Sender::Node, _, Route::List(_)) => return Ok(Caller::Anonymous),
            // The node forwards a call of an unauthenticated client.
            (Sender::Node, RequiredScope::Right(Permission::Call(_)), _) => Caller::Anonymous,
            (Sender::Node, ..) => return Ok(Caller::Anonymous),
            (Sender::Caller(caller), ..) => caller,
        };
        if caller == Caller::Anonymous {
            return if self.tokens.is_none() { Ok(caller) } else { Err(no_token()) };
        }
        match need {
            RequiredScope::Right(right) => caller.check(right)?,
            RequiredScope::Nothing | RequiredScope::Node => {
                let text =
                    format!("{caller} may not make this request: only nodes of the cluster may");
                return Err(Error::new(ErrorCode::Forbidden, text));
            }
        }
        Ok(caller)
    }

    fn sender(&self, headers: &HeaderMap) -> Result<Sender, Error> {
        let token = bearer(headers);
        let vouched = headers.get(CALLER);
        let is_vouched = [CALLER, CHAIN, MESSAGE].iter().any(|name| headers.contains_key(name));
        let is_object = || vouched.is_none_or(|caller| caller.as_bytes().starts_with(b"object "));
        let is_believed = is_vouched && self.is_open() && is_object();
        if token.is_some_and(|token| self.is_of_a_node(token)) || is_believed {
            return match vouched.map(forwarded::read) {
                None => Ok(Sender::Node),
                Some(Some(caller)) => Ok(Sender::Caller(caller)),
                Some(None) => Err(Error::new(
                    ErrorCode::MalformedRequest,
                    "Highlander-Caller is not valid; expected a caller",
                )),
            };
        }
        if is_vouched {
            let text = "the request has a header that only nodes may send, but no token of a node";
            return Err(Error::new(ErrorCode::Unauthenticated, text).with_hint(
                "omit Highlander-Caller, Highlander-Chain and Highlander-Message; on nodes, check \
                     auth.node_token_file",
            ));
        }
        let Some(tokens) = &self.tokens else { return Ok(Sender::Caller(Caller::Anonymous)) };
        if !headers.contains_key(AUTHORIZATION) {
            return Ok(Sender::Caller(Caller::Anonymous));
        }
        let tokens = Arc::clone(&tokens.read());
        let found = token.and_then(|token| tokens.find(token));
        found.map(|principal| Sender::Caller(Caller::Principal(principal))).ok_or_else(|| {
            let text = "the header Authorization has no token that this node accepts";
            Error::new(ErrorCode::Unauthenticated, text).with_hint(
                "send Authorization: Bearer TOKEN, with a token of the node's token file",
            )
        })
    }

    /// Whether every caller may do everything and nodes do not authenticate. No principals exist then, and a
    /// client that could claim to be an object could just as well deploy an object that makes the call.
    fn is_open(&self) -> bool {
        self.tokens.is_none() && self.node_tokens.is_empty()
    }

    /// Whether the token is a node's. The time that the comparison takes reveals nothing about the tokens.
    fn is_of_a_node(&self, token: &str) -> bool {
        if self.node_tokens.is_empty() {
            return false;
        }
        let presented = Digest::of(token.as_bytes());
        self.node_tokens.iter().fold(false, |found, known| found | is_same(known, &presented))
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

fn no_token() -> Error {
    Error::new(ErrorCode::Unauthenticated, "the request has no token")
        .with_hint("send Authorization: Bearer TOKEN")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the scopes of which a caller needs one for the route; none if it needs no token.
pub(super) fn scopes(route: &Route<'_>) -> Vec<&'static str> {
    match need_of(route) {
        RequiredScope::Nothing | RequiredScope::Node => Vec::new(),
        RequiredScope::Right(right) => right.scopes(),
    }
}

fn need_of<'a>(route: &'a Route<'_>) -> RequiredScope<'a> {
    RequiredScope::Right(match route {
        Route::Root | Route::Health | Route::Ready | Route::Problem(_) | Route::Web(_) => {
            return RequiredScope::Nothing;
        }
        Route::RehearsalShare(_) => return RequiredScope::Node,
        Route::Call { id, .. }
        | Route::Query { id, .. }
        | Route::Misfit { id, .. }
        | Route::Get(id)
        | Route::Put(id)
        | Route::Delete(id)
        | Route::Events(id) => Permission::Call(id.type_name()),
        Route::Messages(id) => Permission::See(id.type_name()),
        Route::Wake(id)
        | Route::RetryMessages(id)
        | Route::DropMessages(id)
        | Route::RetryAlarms(id)
        | Route::DropAlarms(id) => Permission::Operate(id.type_name()),
        Route::List(name) => Permission::Call(name.as_str()),
        Route::Owner(id) => Permission::See(id.type_name()),
        Route::Deactivate(id) | Route::Resume(id) => Permission::Operate(id.type_name()),
        Route::Deploy | Route::Rehearse => Permission::DeploySome,
        Route::Types | Route::OpenApi | Route::AdminOpenApi => Permission::SeeSome,
        Route::Type(name) | Route::Rollout(name) => Permission::See(name.as_str()),
        Route::Rehearsal(name) | Route::Rollback(name) | Route::RemoveType(name) => {
            Permission::Deploy(name.as_str())
        }
        Route::Nodes | Route::Drain(_) => Permission::Administer,
        Route::Metrics => Permission::Measure,
    })
}

#[cfg(test)]
mod tests;
