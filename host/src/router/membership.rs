//! Authority to decide for the whole cluster, and the deterministic choice of the node that coordinates a task.
//!
//! Such decisions require a current list of all nodes. A node between two sessions or past its lease has only an
//! old list. It still routes calls with that list, where an error costs a detour, but decides nothing. If a
//! decision must not miss a node that has just joined, the members must be [confirmed](Membership::is_confirmed)
//! first.

use std::sync::Arc;
use std::time::Duration;

use highlander_core::clock::BootTime;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::placement;
use highlander_core::registry::Registry;
use highlander_core::registry::members::Members;
use highlander_system::clock;

use super::Router;

/// Nodes of the cluster, according to a live session of this node.
#[derive(Debug, Clone)]
pub struct Membership {
    session: Arc<dyn Registry>,
    members: Members,
}

impl Membership {
    /// Returns the membership of a session. `None` past its lease, or if this node is not among its members.
    fn of(session: Arc<dyn Registry>, now: BootTime) -> Option<Self> {
        let members = session.members();
        let is_alive = session.lease_until() > now && members.find(session.node()).is_some();
        is_alive.then_some(Self { session, members })
    }

    /// Returns this node.
    #[must_use]
    pub fn me(&self) -> &NodeId {
        self.session.node()
    }

    /// Returns all nodes, including this one.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Whether this node coordinates the roll-outs of a type. The type's name is placed as an object's id is.
    #[must_use]
    pub fn coordinates_rollout(&self, type_name: &TypeName) -> bool {
        self.coordinates(type_name.as_str(), "roll-out")
    }

    /// Whether this node scans this shard of the wake-up index.
    #[must_use]
    pub fn owns_wakeup_shard(&self, shard: u8) -> bool {
        self.coordinates("wake", &shard.to_string())
    }

    /// Whether placement assigns an object with this name to this node.
    fn coordinates(&self, type_name: &str, key: &str) -> bool {
        let Ok(stand_in) = ObjectId::new(type_name, key) else { return false };
        let key = self.session.granularity().key_of(&stand_in);
        let coordinator = placement::coordinator(key, &self.members);
        coordinator.is_some_and(|member| member.node == *self.me())
    }

    /// Whether the registry confirms these members and the session is alive. Costs a registry write.
    pub async fn is_confirmed(&self) -> bool {
        match self.session.confirm_members().await {
            Ok(members) => members == self.members && self.session.lease_until() > clock::now(),
            Err(error) => {
                tracing::debug!("the registry did not confirm the members: {error}");
                false
            }
        }
    }
}

/// Returns the error for a request that needs all members when they are unknown.
#[must_use]
pub fn unknown_members() -> Error {
    let text = "the node has no session with the registry, so it does not know the other nodes";
    Error::new(ErrorCode::RegistryUnavailable, text).with_retry_after(Duration::from_secs(1))
}

impl Router {
    /// Returns the nodes of the cluster if this node may decide for it; `None` without a session whose lease
    /// holds.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        Membership::of(self.node.session()?, clock::now())
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
        Membership::of(Arc::clone(session) as Arc<dyn Registry>, clock::now())
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
