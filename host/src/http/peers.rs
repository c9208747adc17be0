//! Client for other nodes: HTTP/2 on their public routes, with a few headers that clients do not send.
//!
//! Connections are opened on demand, shared by many requests, and dropped when they break (`link`). A failure
//! reports whether the other node may have processed the request. It is "not sent" only if it was never sent, or
//! was rejected before processing. Responses are untrusted: their size is limited, and one that cannot be parsed
//! counts as no response.

mod address;
mod answer;
mod events;
mod link;
mod request;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::activation::Call;
use highlander_core::clock::BootTime;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::events::event_id::EventId;
use highlander_core::id::{ObjectId, TypeName};
use highlander_core::limits::{CALL_TIMEOUT_MAX, REPLY_BYTES_MAX, STATE_BYTES_MAX};
use highlander_core::registry::members::Member;
use highlander_core::rollout::{Progress, ProgressQuery};
use highlander_system::clock;
use http::HeaderValue;
use http::response::Parts;
use parking_lot::Mutex;

use crate::node::list::{Page, Query};
use crate::router::context::Context;
use crate::router::peers::{Events, Failure, PeerResult, Peers, RoutedAnswer};
use crate::wire::nodes::{Drained, Nodes};
use crate::wire::objects::{Deactivated, List, ObjectLocation};
use crate::wire::rehearsals::{RehearsalShare, Rehearsed, Staged};
use crate::wire::rollouts::RolloutStatus;
use address::Address;
use link::{Link, Shape};
use request::Outgoing;

/// Additional time to wait for a response after the call's deadline, because the owner itself reports the outcome
/// at the deadline.
const GRACE: Duration = Duration::from_millis(250);
/// Requests share a few connections, and thereby system calls.
const FOR_REQUESTS: Shape = Shape { connection_count: 4, spill_count: 32 };
/// Streams are long-lived. A connection takes 256 of them; the difference from `spill_count` is a margin for
/// streams that choose the same connection concurrently.
const FOR_STREAMS: Shape = Shape { connection_count: 64, spill_count: 240 };
/// Maximum size of a response: a whole state or a reply, plus room for the text of a problem.
const ANSWER_BYTES_MAX: usize =
    if STATE_BYTES_MAX > REPLY_BYTES_MAX { STATE_BYTES_MAX } else { REPLY_BYTES_MAX } + 64 * 1024;

/// The other nodes of the cluster, reached over HTTP/2.
#[derive(Debug, Default)]
pub struct HttpPeers {
    /// Connections for requests, which are short.
    links: Links,
    /// Connections for event streams, which are long-lived.
    streams: Links,
    /// Token that identifies this node to the others as a member of their cluster.
    token: Option<HeaderValue>,
    /// Whether a warning was logged that another node rejects the token.
    has_warned: AtomicBool,
}

type Links = Mutex<HashMap<Arc<str>, Arc<Link>>>;

/// Returns the link to a node and creates it if necessary.
fn link(links: &Links, to: &Member, shape: Shape) -> Result<Arc<Link>, Failure> {
    let mut links = links.lock();
    if let Some(link) = links.get(&to.address) {
        return Ok(Arc::clone(link));
    }
    let address = Address::parse(&to.address).ok_or_else(|| {
        let address: String = to.address.chars().take(100).collect();
        Failure::NotSent(format!("has the address {address:?}, which is not a valid host and port"))
    })?;
    // New nodes are rare, so this is a cheap moment to drop links without an open connection.
    links.retain(|_, link| link.is_open());
    let link = Arc::new(Link::new(address, shape));
    links.insert(Arc::clone(&to.address), Arc::clone(&link));
    Ok(link)
}

impl HttpPeers {
    /// Creates a client without connections. Each is opened on first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the token that identifies this node to the others. It must be marked as sensitive.
    #[must_use]
    pub fn with_token(self, token: Option<HeaderValue>) -> Self {
        Self { token, ..self }
    }

    /// Sends a request and waits for the complete response until `until`.
    async fn exchange(
        &self,
        to: &Member,
        outgoing: Outgoing,
        until: BootTime,
    ) -> Result<(Parts, Bytes), Failure> {
        let link = link(&self.links, to, FOR_REQUESTS)?;
        let request = outgoing.signed(self.token.as_ref()).addressed(link.address());
        link.exchange(request, until, ANSWER_BYTES_MAX).await
    }

    /// Requests a document and parses it.
    async fn ask<D: serde::de::DeserializeOwned>(
        &self,
        to: &Member,
        outgoing: Outgoing,
        timeout: Duration,
    ) -> PeerResult<D> {
        let until = clock::now() + timeout;
        let (parts, body) = self.exchange(to, outgoing, until).await?;
        let told = answer::document(&parts, &body).map_err(Failure::Interrupted)?;
        self.believed(to, told)
    }

    /// Returns the answer, unless the other node rejects this node's token: that error does not concern this
    /// node's caller, so it becomes a failure.
    fn believed<T, E: Borrow<Error>>(
        &self,
        to: &Member,
        answer: Result<T, E>,
    ) -> Result<Result<T, E>, Failure> {
        match answer {
            Err(error) if error.borrow().code == ErrorCode::Unauthenticated => {
                let why = "does not accept this node's token: check auth.node_token_file on both";
                // Logged once, because every call that is forwarded to the node fails in the same way.
                if !self.has_warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(node = %to.node, "another node {why}");
                }
                Err(Failure::NotSent(why.to_owned()))
            }
            answer => Ok(answer),
        }
    }
}

#[async_trait]
impl Peers for HttpPeers {
    async fn call(
        &self,
        to: &Member,
        id: &ObjectId,
        call: &Call,
        context: Context,
    ) -> Result<RoutedAnswer, Failure> {
        let now = clock::now();
        let time_left = call.deadline.since(now).min(CALL_TIMEOUT_MAX);
        let outgoing = match Outgoing::call(id, call, context, time_left) {
            Ok(outgoing) => outgoing,
            Err(error) => return Ok(RoutedAnswer::here(Err(error))),
        };
        let (parts, body) = self.exchange(to, outgoing, now + time_left + GRACE).await?;
        let RoutedAnswer { answer, owner } =
            answer::heard(&parts, body, &call.operation).map_err(Failure::Interrupted)?;
        Ok(RoutedAnswer { answer: self.believed(to, answer)?, owner })
    }

    async fn watch(
        &self,
        to: &Member,
        id: &ObjectId,
        after: Option<EventId>,
        timeout: Duration,
    ) -> PeerResult<Events> {
        let until = clock::now() + timeout;
        let link = link(&self.streams, to, FOR_STREAMS)?;
        let outgoing = Outgoing::events(id, after).signed(self.token.as_ref());
        let (response, under_way) = link.begin(outgoing.addressed(link.address()), until).await?;
        let told = events::begun(response, under_way).await.map_err(Failure::Interrupted)?;
        self.believed(to, told)
    }

    async fn locate(
        &self,
        to: &Member,
        id: &ObjectId,
        timeout: Duration,
    ) -> PeerResult<ObjectLocation> {
        self.ask(to, Outgoing::owner(id), timeout).await
    }

    async fn deactivate(&self, to: &Member, id: &ObjectId, timeout: Duration) -> PeerResult<bool> {
        let told = self.ask(to, Outgoing::deactivate(id), timeout).await?;
        Ok(told.map(|document: Deactivated| document.was_active))
    }

    async fn drain(&self, to: &Member, timeout: Duration) -> PeerResult<usize> {
        let told = self.ask(to, Outgoing::drain(&to.node), timeout).await?;
        Ok(told.map(|document: Drained| document.active_objects))
    }

    async fn active(&self, to: &Member, query: &Query, timeout: Duration) -> PeerResult<Page> {
        let told = self.ask(to, Outgoing::active(query), timeout).await?;
        Ok(told.map(|document: List| Page { keys: document.keys, next: document.next }))
    }

    async fn progress(
        &self,
        to: &Member,
        type_name: &TypeName,
        query: ProgressQuery,
        timeout: Duration,
    ) -> PeerResult<Progress> {
        let told = self.ask(to, Outgoing::rollout(type_name, query), timeout).await?;
        let own = |document: RolloutStatus| {
            let mut nodes = document.nodes.into_iter();
            nodes.find(|node| node.id == to.node.as_str())?.progress
        };
        let none = || Failure::Interrupted("did not report its progress".to_owned());
        match told.map(own) {
            Ok(progress) => progress.map(Ok).ok_or_else(none),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn rehearse(
        &self,
        to: &Member,
        type_name: &TypeName,
        staged: &Staged,
        ids: &[ObjectId],
        timeout: Duration,
    ) -> PeerResult<Rehearsed> {
        let keys = ids.iter().map(|id| id.key().to_owned()).collect();
        let share = RehearsalShare { staged: staged.clone(), keys };
        self.ask(to, Outgoing::rehearsal(type_name, &share), timeout).await
    }

    async fn active_count(&self, to: &Member, timeout: Duration) -> PeerResult<usize> {
        let told = self.ask(to, Outgoing::nodes(), timeout).await?;
        let count = |document: Nodes| {
            let mut nodes = document.nodes.into_iter();
            nodes.find(|node| node.id == to.node.as_str())?.active_objects
        };
        let none = || Failure::Interrupted("did not list itself".to_owned());
        match told.map(count) {
            Ok(count) => count.map(Ok).ok_or_else(none),
            Err(error) => Ok(Err(error)),
        }
    }
}
