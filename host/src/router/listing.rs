//! Lists the objects of a type: stored objects from the store, active objects from all nodes.
//!
//! The store does not record which objects are active, so each node is queried once. Nodes that do not answer are
//! named with the page, so that missing objects are not mistaken for inactive ones.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use highlander_core::error::Error;
use highlander_core::id::{NodeId, ObjectId};
use highlander_core::limits::LIST_COUNT_MAX;
use highlander_core::registry::members::{Member, PROTOCOL};

use super::Router;
use super::context::Context;
use super::membership::unknown_members;
use super::peers::{Failure, PeerResult};
use crate::node::list::{Page, Query};

/// Time limit for a node's list of active objects.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Page of keys, and the nodes that are missing from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The keys.
    pub page: Page,
    /// Nodes that did not answer, so that their active objects may be missing.
    pub unanswered: Vec<NodeId>,
}

impl Router {
    /// Returns a page of the keys of a type's objects. A query for active objects that comes from another node
    /// covers only this node.
    ///
    /// # Errors
    /// The errors of [`Node::list`](crate::node::Node::list);
    /// [`RegistryUnavailable`](highlander_core::error::ErrorCode::RegistryUnavailable) if the query is for active
    /// objects and the members are unknown.
    pub async fn list(&self, query: &Query, context: Context) -> Result<Listing, Error> {
        if !query.is_active || context.hops > 0 {
            let page = self.node.list(query).await?;
            return Ok(Listing { page, unanswered: Vec::new() });
        }
        let membership = self.membership().ok_or_else(unknown_members)?;
        let own = self.node.list(query).await?;
        let others = membership.members().iter().filter(|member| member.node != *membership.me());
        let told =
            others.map(|member| async { (&member.node, self.active_on(member, query).await) });
        let (mut pages, mut unanswered) = (vec![own], Vec::new());
        for (node, told) in join_all(told).await {
            match told {
                Ok(Ok(page)) => pages.push(page),
                silence => {
                    tracing::debug!(%node, ?silence, "a node did not report its active objects");
                    unanswered.push(node.clone());
                }
            }
        }
        Ok(Listing { page: merge(query, pages), unanswered })
    }

    async fn active_on(&self, member: &Member, query: &Query) -> PeerResult<Page> {
        if member.protocol != PROTOCOL {
            return Err(Failure::NotSent("uses another protocol version".to_owned()));
        }
        self.peers.active(member, query, TIMEOUT).await
    }
}

/// Merges the pages of several nodes, which start at the same key and have the same limit as the result. Keys that
/// a node left out come after all keys that it returned, and so after the end of the result.
fn merge(query: &Query, pages: Vec<Page>) -> Page {
    let limit = query.limit.clamp(1, LIST_COUNT_MAX);
    let mut has_more = pages.iter().any(|page| page.next.is_some());
    let keys = pages.into_iter().flat_map(|page| page.keys);
    // Ordered as in all lists. While an object moves, two nodes may report it.
    let ordered: BTreeMap<_, _> = keys
        .filter_map(|key| {
            Some((ObjectId::new(query.type_name.as_str(), &key).ok()?.blob_key(), key))
        })
        .collect();
    has_more |= ordered.len() > limit;
    let keys: Vec<_> = ordered.into_values().take(limit).collect();
    let next = keys.last().filter(|_| has_more).cloned();
    Page { keys, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_core::id::TypeName;

    fn query(limit: usize) -> Query {
        let type_name = TypeName::new("counter").unwrap();
        Query { type_name, prefix: String::new(), after: None, limit, is_active: true }
    }

    fn page(keys: &[&str], next: Option<&str>) -> Page {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Page { keys, next: next.map(str::to_owned) }
    }

    #[test]
    fn pages_of_several_nodes_are_one_in_order() {
        let pages = || vec![page(&["a", "d"], None), page(&["b", "d"], None), page(&[], None)];
        assert_eq!(merge(&query(3), pages()), page(&["a", "b", "d"], None), "each key once");
        assert_eq!(merge(&query(2), pages()), page(&["a", "b"], Some("b")));
        assert_eq!(merge(&query(2), Vec::new()), page(&[], None));
    }

    #[test]
    fn what_a_node_left_out_is_on_a_later_page() {
        let pages = vec![page(&["a", "b"], Some("b")), page(&["a", "b"], None)];
        assert_eq!(merge(&query(2), pages), page(&["a", "b"], Some("b")));
        let pages = vec![page(&["x", "y"], Some("y")), page(&["a", "b"], Some("b"))];
        assert_eq!(merge(&query(2), pages), page(&["a", "b"], Some("b")));
    }

    #[test]
    fn the_order_is_that_of_the_store() {
        // A percent sign sorts before letters, and a dot ends a name.
        let pages = vec![page(&["a", "ä"], None), page(&["a-1", "a/b"], None)];
        assert_eq!(merge(&query(9), pages).keys, ["ä", "a/b", "a-1", "a"]);
    }
}
