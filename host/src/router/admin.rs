//! Administrative operations on objects and nodes, forwarded to the node that can execute them.
//!
//! Unlike calls, they query the registry for an object's owner, and are tried once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{NodeId, ObjectId};
use highlander_core::registry::members::{Member, Members, NodeStatus, PROTOCOL};

use super::Router;
use super::context::Context;
use super::peers::{Failure, PeerResult};
use crate::wire::objects::ObjectLocation;

/// Time limit for another node's answer about an object.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the object counts of other nodes.
const COUNT_TIMEOUT: Duration = Duration::from_millis(500);
/// Time limit for a drain.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);
/// Additional time for another node's answer, beyond the time for the operation itself.
const GRACE: Duration = Duration::from_secs(2);

/// Entry of the node list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeReport {
    /// Name of the node.
    pub node: NodeId,
    /// Address at which the node listens.
    pub address: Arc<str>,
    /// Status of the node; `None` for a node without a session, which can only be this one.
    pub status: Option<NodeStatus>,
    /// Number of active objects, if the node reported it.
    pub active_count: Option<usize>,
}

/// Owner of an object according to the registry.
enum Owner {
    /// This node, or no node.
    Here,
    /// Another node.
    There(Member),
    /// A node that is not a member, or that uses another protocol version.
    Stranger(NodeId),
}

impl Router {
    /// Returns the location and status of an object, from its owner or else from its record. Activates nothing.
    ///
    /// # Errors
    /// The errors of [`crate::node::Node::locate`]; [`ErrorCode::NotOwner`] with the owner if the owner does not
    /// answer.
    pub async fn locate(&self, id: &ObjectId, context: Context) -> Result<ObjectLocation, Error> {
        let Owner::There(owner) = self.owner(id, context).await? else {
            return self.node.locate(id).await;
        };
        let told = self.peers.locate(&owner, id, ANSWER_TIMEOUT).await;
        told.unwrap_or_else(|failure| Err(silent(id, &owner, &failure)))
    }

    /// Deactivates an object on whichever node it is active. Returns `false` if it was not active.
    ///
    /// # Errors
    /// The registry or the owner does not answer; [`ErrorCode::NotOwner`] if this node cannot reach the owner.
    ///
    /// # Cancel safety
    /// If the future is dropped, the object may still be deactivated.
    pub async fn deactivate(&self, id: &ObjectId, context: Context) -> Result<bool, Error> {
        let owner = match self.owner(id, context).await? {
            Owner::Here => return Ok(self.node.deactivate(id).await),
            Owner::There(member) => member,
            Owner::Stranger(node) => return Err(unreachable(id, node)),
        };
        let told = self.peers.deactivate(&owner, id, ANSWER_TIMEOUT).await;
        told.unwrap_or_else(|failure| Err(silent(id, &owner, &failure)))
    }

    /// Returns the owner of an object. A forwarded request is always handled by this node.
    async fn owner(&self, id: &ObjectId, context: Context) -> Result<Owner, Error> {
        if context.hops > 0 || self.node.is_active(id) {
            return Ok(Owner::Here);
        }
        // Without a session the owner is unknown, which does not mean that there is none.
        let session = self.node.session().ok_or_else(|| unknown_owner(id, "it has no session"))?;
        let owner = session.owner(id).await;
        let owner = owner.map_err(|error| unknown_owner(id, &error.to_string()))?;
        let Some(owner) = owner.filter(|owner| owner != session.node()) else {
            return Ok(Owner::Here);
        };
        let member = session.members().find(&owner).cloned();
        Ok(match member.filter(|member| member.protocol == PROTOCOL) {
            Some(member) => Owner::There(member),
            None => Owner::Stranger(owner),
        })
    }

    /// Drains a node, given by its name or a unique prefix of it. Returns the node's name, and the number of
    /// objects that it still holds.
    ///
    /// # Errors
    /// - [`ErrorCode::NodeNotFound`]: the cluster has no node with this name.
    /// - [`ErrorCode::MalformedRequest`]: several names have this prefix.
    /// - [`ErrorCode::NotOwner`] or [`ErrorCode::OutcomeUnknown`]: the node does not answer.
    ///
    /// # Cancel safety
    /// If the future is dropped, the node may still drain.
    pub async fn drain(&self, name: &str, context: Context) -> Result<(NodeId, usize), Error> {
        let known = self.cluster_view();
        let Some(member) = named(name, &known.members, context)? else {
            // Between two sessions this node is not a member.
            if known.me.as_str().starts_with(name) {
                return Ok((known.me, self.drain_here().await?));
            }
            let text = format!("there is no node {name:?}");
            let hint = "list the nodes: highlander nodes";
            return Err(Error::new(ErrorCode::NodeNotFound, text).with_hint(hint));
        };
        if member.node == known.me {
            return Ok((known.me, self.drain_here().await?));
        }
        if context.hops > 0 {
            let text = format!("this node is not {name}, but {}", known.me);
            return Err(Error::new(ErrorCode::NodeNotFound, text));
        }
        let told = self.peers.drain(member, DRAIN_TIMEOUT + GRACE).await;
        let left = told.unwrap_or_else(|failure| Err(not_drained(member, &failure)))?;
        Ok((member.node.clone(), left))
    }

    async fn drain_here(&self) -> Result<usize, Error> {
        let node = Arc::clone(&self.node);
        // A separate task, so that a client that disconnects does not leave the node half drained.
        let draining = tokio::spawn(async move { node.drain(DRAIN_TIMEOUT).await });
        draining.await.map_err(|_| {
            let text = "the node had an internal error while it drained";
            Error::new(ErrorCode::OutcomeUnknown, text)
        })
    }

    /// Returns all live nodes. Queries the others for their object counts, unless the request comes from another
    /// node.
    pub async fn nodes(&self, context: Context) -> Vec<NodeReport> {
        let known = self.cluster_view();
        let count = async |member: &Member| -> PeerResult<usize> {
            if member.node == known.me {
                return Ok(Ok(self.node.active_count()));
            }
            if context.hops > 0 || member.protocol != PROTOCOL {
                return Err(Failure::NotSent("was not queried".to_owned()));
            }
            self.peers.active_count(member, COUNT_TIMEOUT).await
        };
        let statuses = known.members.iter().map(|member| async {
            let active_count = count(member).await.ok().and_then(Result::ok);
            NodeReport {
                node: member.node.clone(),
                address: Arc::clone(&member.address),
                status: Some(member.status),
                active_count,
            }
        });
        let mut statuses = join_all(statuses).await;
        if known.members.find(&known.me).is_none() {
            let active_count = Some(self.node.active_count());
            let (node, address) = (known.me.clone(), Arc::from(""));
            statuses.push(NodeReport { node, address, status: None, active_count });
        }
        statuses
    }
}

/// Finds the member by its name or a unique prefix of it. Other nodes always send the whole name.
fn named<'a>(
    name: &str,
    members: &'a Members,
    context: Context,
) -> Result<Option<&'a Member>, Error> {
    let exact = members.find(&NodeId::new(name));
    if exact.is_some() || context.hops > 0 {
        return Ok(exact);
    }
    let mut found = members.iter().filter(|member| member.node.as_str().starts_with(name));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            let text = format!("the names of several nodes begin with {name:?}");
            Err(Error::new(ErrorCode::MalformedRequest, text).with_hint("give more of the name"))
        }
        (only, _) => Ok(only),
    }
}

fn unknown_owner(id: &ObjectId, why: &str) -> Error {
    let text = format!("this node cannot query the registry for the owner of {id}: {why}");
    Error::new(ErrorCode::RegistryUnavailable, text).with_retry_after(Duration::from_secs(1))
}

fn unreachable(id: &ObjectId, owner: NodeId) -> Error {
    let text = format!("{id} is owned by {owner}, which this node cannot reach");
    Error::new(ErrorCode::NotOwner, text).with_owner(owner).with_retry_after(Duration::from_secs(1))
}

fn silent(id: &ObjectId, owner: &Member, failure: &Failure) -> Error {
    let node = &owner.node;
    let text = format!("{id} is owned by {node}, which did not respond: {node} {failure}");
    let code = match failure {
        Failure::NotSent(_) => ErrorCode::NotOwner,
        Failure::Interrupted(_) => ErrorCode::OutcomeUnknown,
    };
    Error::new(code, text).with_owner(node.clone()).with_retry_after(Duration::from_secs(1))
}

fn not_drained(member: &Member, failure: &Failure) -> Error {
    let text = format!("{} {failure}", member.node);
    match failure {
        Failure::NotSent(_) => {
            Error::new(ErrorCode::NotOwner, format!("the node was not drained: {text}"))
        }
        Failure::Interrupted(_) => {
            Error::new(ErrorCode::OutcomeUnknown, format!("the node may be draining: {text}"))
        }
    }
}
