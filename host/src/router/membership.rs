//! Whether this node may decide something for its whole cluster at present, and for what it is the one to do so.
//!
//! Such a decision needs to know all nodes. A node that is between two sessions, or past its lease, knows those that
//! there were; it still brings calls to them, where a mistake costs a detour, and decides nothing. What must not be
//! decided without a node that has just joined is decided after the members were [confirmed](Membership::is_confirmed).

use std::sync::Arc;
use std::time::Duration;

use super::Router;
use crate::clock::BootTime;
use crate::error::{Code, Error};
use crate::id::{NodeId, ObjectId, TypeName};
use crate::node::placement;
use crate::registry::Registry;
use crate::registry::members::Members;

/// The nodes of the cluster, as a session of this node that is alive has them.
#[derive(Debug, Clone)]
pub struct Membership {
    session: Arc<dyn Registry>,
    members: Members,
}

impl Membership {
    /// What a session knows. `None` past its lease, and where this node is not among its members itself.
    fn of(session: Arc<dyn Registry>, now: BootTime) -> Option<Self> {
        let members = session.members().borrow().clone();
        let is_alive = session.lease_until() > now && members.find(session.node()).is_some();
        is_alive.then_some(Self { session, members })
    }

    /// This node.
    #[must_use]
    pub fn me(&self) -> &NodeId {
        self.session.node()
    }

    /// All nodes, this one among them.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Whether this node is the one to move the roll-outs of a type on: placed by its name, as an object is by its id.
    #[must_use]
    pub fn coordinates_rollout(&self, type_name: &TypeName) -> bool {
        self.coordinates(type_name.as_str(), "roll-out")
    }

    /// Whether this node looks through this part of the index of those to be woken.
    #[must_use]
    pub fn owns_wakeup_shard(&self, shard: u8) -> bool {
        self.coordinates("wake", &shard.to_string())
    }

    /// Whether this node is the one that an object of this name would be on.
    fn coordinates(&self, type_name: &str, key: &str) -> bool {
        let Ok(stand_in) = ObjectId::new(type_name, key) else { return false };
        let key = self.session.granularity().key_of(&stand_in);
        let coordinator = placement::coordinator(key, &self.members);
        coordinator.is_some_and(|member| member.node == *self.me())
    }

    /// Whether these are all nodes still, as the registry itself says, and the session is alive. It costs a write to
    /// the registry.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn is_confirmed(&self) -> bool {
        match self.session.confirm_members().await {
            Ok(members) => members == self.members && self.session.lease_until() > BootTime::now(),
            Err(error) => {
                tracing::debug!("which nodes there are was not confirmed: {error}");
                false
            }
        }
    }
}

/// What whoever asks is told where an answer would need all nodes.
#[must_use]
pub fn unknown_members() -> Error {
    let text = "the node has no session with the registry, and so does not know which nodes to ask";
    Error::new(Code::RegistryUnavailable, text).with_retry_after(Duration::from_secs(1))
}

impl Router {
    /// The nodes of the cluster, where this node may decide something for them: `None` without a session whose lease
    /// holds.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        Membership::of(self.node.session()?, BootTime::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::local::{Directory, Session};

    fn join(directory: &Directory, name: &str) -> Arc<Session> {
        Arc::new(directory.join(NodeId::new(name)))
    }

    fn of(session: &Arc<Session>) -> Option<Membership> {
        Membership::of(Arc::clone(session) as Arc<dyn Registry>, BootTime::now())
    }

    fn names() -> Vec<TypeName> {
        (0..64).map(|n| TypeName::new(&format!("t{n}")).unwrap()).collect()
    }

    #[test]
    fn a_node_past_its_lease_or_without_session_is_no_part_of_a_decision() {
        let directory = Directory::new();
        let session = join(&directory, "a");
        assert!(of(&session).is_some());
        session.freeze();
        assert!(of(&session).is_none(), "past its lease");
        session.thaw();
        assert!(of(&session).is_some());
        session.end();
        assert!(of(&session).is_none(), "its session is over");
    }

    #[test]
    fn one_node_coordinates_each_type_and_each_shard() {
        let directory = Directory::new();
        let sessions = ["a", "b", "c"].map(|name| join(&directory, name));
        let views: Vec<_> = sessions.iter().map(|session| of(session).unwrap()).collect();
        for name in names() {
            assert_eq!(views.iter().filter(|view| view.coordinates_rollout(&name)).count(), 1);
        }
        for shard in 0..16 {
            assert_eq!(views.iter().filter(|view| view.owns_wakeup_shard(shard)).count(), 1);
        }
    }

    #[tokio::test]
    async fn members_are_not_confirmed_after_a_change_or_without_the_registry() {
        let directory = Directory::new();
        let session = join(&directory, "a");
        let alone = of(&session).unwrap();
        assert!(alone.is_confirmed().await);
        let other = join(&directory, "b");
        assert!(!alone.is_confirmed().await, "another node has joined");
        let both = of(&session).unwrap();
        assert!(both.is_confirmed().await);
        session.freeze();
        assert!(!both.is_confirmed().await, "the registry does not answer");
        session.thaw();
        other.end();
        assert!(!both.is_confirmed().await, "a node has left");
        let alone = of(&session).unwrap();
        session.end();
        assert!(!alone.is_confirmed().await, "the session is over");
    }
}
