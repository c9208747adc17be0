//! Description that a node publishes in its znode: the node as a member of the cluster, and its settings.

use highlander_core::id::NodeId;
use highlander_core::registry::agreement::Terms;
use highlander_core::registry::members::{Member, NodeStatus, PROTOCOL};
use parking_lot::Mutex;
use serde::Serialize;

/// Maximum accepted length of a description.
const BYTES_MAX: usize = 4096;

/// Description that a node publishes.
#[derive(Debug)]
pub(super) struct Description {
    member: Mutex<Member>,
    terms: Terms,
}

/// Serialized form of a description.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    member: &'a Member,
    #[serde(flatten)]
    terms: &'a Terms,
}

impl Description {
    /// Creates the description of a node that accepts objects.
    pub(super) fn new(node: NodeId, address: &str, terms: Terms) -> Self {
        let address = address.into();
        let member = Member { node, address, protocol: PROTOCOL, status: NodeStatus::Ready };
        Self { member: Mutex::new(member), terms }
    }

    /// Encodes the description as the content of its znode.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let member = self.member.lock();
        let written = Written { member: &member, terms: &self.terms };
        serde_json::to_vec(&written).expect("names and numbers can be encoded as JSON")
    }

    /// Changes the status. The caller must write the description again.
    pub(super) fn set_status(&self, status: NodeStatus) {
        self.member.lock().status = status;
    }
}

/// Returns the member in the description of the node with this name, if it is valid.
pub(super) fn member(name: &str, bytes: &[u8]) -> Option<Member> {
    let bytes = Some(bytes).filter(|bytes| bytes.len() <= BYTES_MAX)?;
    let member: Option<Member> = serde_json::from_slice(bytes).ok();
    let member = member.filter(|member| member.node.as_str() == name);
    if member.is_none() {
        tracing::warn!(name, "the description of a node is not valid; ignoring it");
    }
    member
}

/// Returns the settings in a description, if it is valid.
pub(super) fn terms(bytes: &[u8]) -> Option<Terms> {
    let bytes = Some(bytes).filter(|bytes| bytes.len() <= BYTES_MAX)?;
    serde_json::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use highlander_core::registry::claims::Granularity;

    use super::*;

    fn description(address: &str) -> Description {
        let terms = Terms::new(Granularity::Partitions(8), Some("objects/prod"));
        Description::new(NodeId::new("a-1"), address, terms)
    }

    #[test]
    fn a_description_reads_back() {
        let description = description("10.0.0.1:4400");
        description.set_status(NodeStatus::Draining);
        let member = member("a-1", &description.bytes()).unwrap();
        assert_eq!((&*member.address, member.status), ("10.0.0.1:4400", NodeStatus::Draining));
        assert_eq!(terms(&description.bytes()).as_ref(), Some(&description.terms));
        let text = String::from_utf8(description.bytes()).unwrap();
        let told = r#""claims":"partitions = 8","store":"objects/prod""#;
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn what_is_not_a_nodes_own_description_is_left_out() {
        let bytes = description("x").bytes();
        assert_eq!(member("b-1", &bytes), None, "it describes another node");
        assert_eq!(member("a-1", b"{}"), None);
        assert_eq!(member("a-1", b""), None);
        let mut long = bytes;
        long.resize(BYTES_MAX + 1, b' ');
        assert_eq!(member("a-1", &long), None);
    }
}
