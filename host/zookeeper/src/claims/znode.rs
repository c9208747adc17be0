//! Representation of a claim as a znode: its path and content.
//!
//! Paths are short and of equal length, because the servers write all of a session's paths at once when it ends.
//! They contain no byte of an object's name.

use std::fmt;

use highlander_core::id::{Hex, NodeId, ObjectId, parse_hex};
use highlander_core::registry::claims::{ClaimKey, Granularity};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::super::error::Failure;

/// Parent of all claim shards.
pub(crate) const FOLDER: &str = "/c";
/// Leading digits of a key that form its shard: 4,096 shards keep lists of children short.
const SHARD_DIGITS: usize = 3;
/// Length of a claim's path below the chroot.
pub(crate) const PATH_BYTES: usize = FOLDER.len() + 1 + SHARD_DIGITS + 1 + 32;

/// Unique identifier of one attempt to claim, across all sessions.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Mark([u8; 16]);

impl Mark {
    pub(crate) fn random() -> Self {
        Self(rand::rng().random())
    }
}

/// Content of a claim's znode, readable for operators too.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    /// The object, if the claim covers a single one.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    type_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Number of partitions, if the claim covers one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partitions: Option<u32>,
    pub(crate) node: NodeId,
    #[serde(rename = "guid")]
    pub(crate) mark: Mark,
}

impl Content {
    /// Creates the content for a new attempt of `node`.
    pub(crate) fn new(granularity: Granularity, id: &ObjectId, node: &NodeId) -> Self {
        let (object, partitions) = match granularity {
            Granularity::Object => (Some(id), None),
            Granularity::Partitions(count) => (None, Some(count)),
        };
        Self {
            type_name: object.map(|id| id.type_name().to_owned()),
            key: object.map(|id| id.key().to_owned()),
            partitions,
            node: node.clone(),
            mark: Mark::random(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names and numbers can be encoded as JSON")
    }

    /// Decodes the content. Content that is not a claim has no known holder and must not be interpreted.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(bytes).map_err(|_| {
            Failure::Denied("a claim's znode has content that is not a claim".to_owned())
        })
    }
}

/// Returns the path of a claim's znode.
pub(crate) fn path(key: ClaimKey) -> String {
    format!("{}/{key}", shard(key))
}

/// Returns the path of the parent of a claim's znode.
pub(crate) fn shard(key: ClaimKey) -> String {
    // The leading digits of 32.
    let shard = key.as_u128() >> (128 - 4 * SHARD_DIGITS);
    format!("{FOLDER}/{shard:0SHARD_DIGITS$x}")
}

/// Returns the claim of the znode at this path.
pub(crate) fn key_of(path: &str) -> Option<ClaimKey> {
    let (_, digits) = path.rsplit_once('/')?;
    let key = ClaimKey::from_u128(u128::from_be_bytes(parse_hex(digits)?));
    Some(key).filter(|key| self::path(*key) == path)
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        Hex(&mark.0).to_string()
    }
}

impl TryFrom<String> for Mark {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse_hex(&text).map(Self).ok_or("expected 32 hexadecimal digits")
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ObjectId {
        ObjectId::new("todo", "42 /ä").unwrap()
    }

    #[test]
    fn paths_are_short_of_one_length_and_read_back() {
        for number in [0, 1, u128::MAX, 0xabc << 116] {
            let key = ClaimKey::from_u128(number);
            let path = path(key);
            assert_eq!(path.len(), PATH_BYTES);
            assert_eq!(key_of(&path), Some(key));
        }
        const { assert!(PATH_BYTES <= 48) };
        assert_eq!(path(ClaimKey::from_u128(0xabc << 116)).get(..7), Some("/c/abc/"));
        assert_eq!(key_of("/c/abc/0000"), None);
        assert_eq!(key_of(&format!("/c/001/{}", "0".repeat(32))), None, "in another's shard");
    }

    #[test]
    fn a_claim_says_what_it_covers_and_who_holds_it() {
        let content = Content::new(Granularity::Object, &id(), &NodeId::new("a-1"));
        let text = String::from_utf8(content.bytes()).unwrap();
        assert!(
            text.starts_with(r#"{"type":"todo","key":"42 /ä","node":"a-1","guid":""#),
            "{text}"
        );
        let read = Content::read(text.as_bytes()).unwrap();
        assert_eq!((read.node, read.mark), (NodeId::new("a-1"), content.mark));
        let content = Content::new(Granularity::Partitions(8), &id(), &NodeId::new("a-1"));
        assert!(content.bytes().starts_with(br#"{"partitions":8,"node":"#));
        assert!(Content::read(b"").is_err());
        assert!(Content::read(br#"{"node":"a","guid":"00"}"#).is_err());
    }
}
