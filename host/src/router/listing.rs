//! Lists the objects of a type: those that have a record, from the store, and those that are active, from all nodes.
//!
//! Which objects are active only the nodes know. Each is asked once, and one that does not answer is named beside the
//! page, so that what is missing is not taken for what is not there.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::Router;
use super::context::Context;
use super::membership::unknown_members;
use super::peers::{Failure, Told};
use crate::error::Error;
use crate::id::{NodeId, ObjectId};
use crate::limits::LIST_COUNT_MAX;
use crate::node::list::{Page, Query};
use crate::registry::members::{Member, PROTOCOL};

/// How long a node may take to say which objects are active on it.
const PATIENCE: Duration = Duration::from_secs(2);

/// A page of keys, and who has not helped to fill it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The keys.
    pub page: Page,
    /// The nodes whose active objects may be missing, because they did not answer.
    pub unanswered: Vec<NodeId>,
}

impl Router {
    /// The keys of a type's objects, page by page; those that are active on this node alone, where another node asks.
    ///
    /// # Errors
    /// As [`Node::list`](crate::node::Node::list); [`RegistryUnavailable`](crate::error::Code::RegistryUnavailable)
    /// where active objects are asked for and
    /// this node does not know which nodes there are.
    ///
    /// # Cancel safety
    /// Nothing is changed.
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
                    tracing::debug!(%node, ?silence, "a node did not say which objects are active");
                    unanswered.push(node.clone());
                }
            }
        }
        Ok(Listing { page: merge(query, pages), unanswered })
    }

    async fn active_on(&self, member: &Member, query: &Query) -> Told<Page> {
        if member.protocol != PROTOCOL {
            return Err(Failure::NotSent("speaks another version".to_owned()));
        }
        self.peers.active(member, query, PATIENCE).await
    }
}

/// One page of several nodes' pages that begin at the same key and are as long as this one may be: what a node left
/// out comes after all that it gave, and so after the end of this one.
fn merge(query: &Query, pages: Vec<Page>) -> Page {
    let limit = query.limit.clamp(1, LIST_COUNT_MAX);
    let mut has_more = pages.iter().any(|page| page.next.is_some());
    let keys = pages.into_iter().flat_map(|page| page.keys);
    // In the order of all listings. While an object moves, two nodes may have it.
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
    use crate::id::TypeName;

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
        // A percent sign comes before letters, and the end of a name is a dot.
        let pages = vec![page(&["a", "ä"], None), page(&["a-1", "a/b"], None)];
        assert_eq!(merge(&query(9), pages).keys, ["ä", "a/b", "a-1", "a"]);
    }
}
