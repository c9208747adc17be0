//! Names: object types, objects, nodes, and the digests of components.
//!
//! Each name is validated once, on construction, and is valid from then on.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::limits::{KEY_BYTES_MAX, TYPE_NAME_BYTES_MAX};

#[cfg(feature = "schema")]
mod schema;

/// Characters that are left unescaped in a blob name; every other byte becomes `%XX`.
const BLOB_SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Rejection of a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The type name is malformed.
    #[error(
        "type name {0:?} is not valid; expected 1 to {TYPE_NAME_BYTES_MAX} of a-z, 0-9 and -, beginning with a letter"
    )]
    TypeName(String),
    /// The key is empty.
    #[error("the key is empty; expected 1 to {KEY_BYTES_MAX} bytes")]
    KeyEmpty,
    /// The key is too long.
    #[error("the key has {0} bytes; expected 1 to {KEY_BYTES_MAX} bytes")]
    KeyTooLong(usize),
    /// The key contains a control character.
    #[error("the key contains the control character U+{0:04X}")]
    KeyControl(u32),
    /// The text does not have the form `TYPE/KEY`.
    #[error("{0:?} is not a valid object; expected TYPE/KEY, like todo/42")]
    NoSlash(String),
    /// The text is not a SHA-256 digest in hexadecimal.
    #[error("{0:?} is not a valid digest; expected 64 hexadecimal digits")]
    Digest(String),
}

/// Name of an object type: `[a-z][a-z0-9-]{0,62}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TypeName(Arc<str>);

impl TypeName {
    /// Validates `name`.
    ///
    /// # Errors
    /// [`Error::TypeName`] with the rejected text.
    pub fn new(name: &str) -> Result<Self, Error> {
        if is_type_name(name) {
            Ok(Self(name.into()))
        } else {
            Err(Error::TypeName(name.chars().take(100).collect()))
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names compare and hash as their text, so that sets and maps of names are searched by text.
impl Borrow<str> for TypeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn is_type_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= TYPE_NAME_BYTES_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Node name, unique in its cluster and different for each session of the node. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// Creates a node name from text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Creates the name of one session of the node `name`. Each session uses a new random `generation`.
    #[must_use]
    pub fn of_session(name: &str, generation: [u8; 4]) -> Self {
        Self::new(&format!("{name}-{}", Hex(&generation)))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Object identity: its type and its key, displayed as `todo/42`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId {
    /// `type/key`. A type name contains no slash, so the first slash separates them.
    text: Arc<str>,
    type_bytes: u8,
}

impl ObjectId {
    /// Creates the identity of the object `key` of the type `type_name`.
    ///
    /// # Errors
    /// Type name or key are malformed.
    pub fn new(type_name: &str, key: &str) -> Result<Self, Error> {
        if !is_type_name(type_name) {
            return Err(Error::TypeName(type_name.chars().take(100).collect()));
        }
        if key.is_empty() {
            return Err(Error::KeyEmpty);
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyTooLong(key.len()));
        }
        if let Some(control) = key.chars().find(|c| c.is_control()) {
            return Err(Error::KeyControl(u32::from(control)));
        }
        let mut text = String::with_capacity(type_name.len() + 1 + key.len());
        text.push_str(type_name);
        text.push('/');
        text.push_str(key);
        let type_bytes = u8::try_from(type_name.len()).expect("a type name has at most 63 bytes");
        Ok(Self { text: text.into(), type_bytes })
    }

    /// Returns the object's type.
    #[must_use]
    pub fn type_name(&self) -> &str {
        self.text.get(..usize::from(self.type_bytes)).unwrap_or_default()
    }

    /// Returns the object's key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.text.get(usize::from(self.type_bytes) + 1..).unwrap_or_default()
    }

    /// Returns `type/key`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the name of the blob with the object's record, relative to the store's prefix.
    ///
    /// Type and key are percent-encoded, so that no byte of them can act as a path segment.
    #[must_use]
    pub fn blob_key(&self) -> String {
        format!("{}{}.json", blob_prefix(self.type_name(), ""), encode(self.key()))
    }

    /// Returns the object whose record is in the blob `blob_key`, if it is an object's record.
    #[must_use]
    pub fn from_blob_key(blob_key: &str) -> Option<Self> {
        let (type_name, file) = blob_key.strip_prefix("objects/")?.split_once('/')?;
        let key = percent_decode_str(file.strip_suffix(".json")?).decode_utf8().ok()?;
        Self::new(type_name, &key).ok().filter(|id| id.blob_key() == blob_key)
    }
}

/// Returns the common prefix of the blobs of all `type_name` objects whose keys begin with `key_prefix`.
#[must_use]
pub fn blob_prefix(type_name: &str, key_prefix: &str) -> String {
    format!("objects/{type_name}/{}", encode(key_prefix))
}

fn encode(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, BLOB_SAFE)
}

impl std::str::FromStr for ObjectId {
    type Err = Error;

    /// Parses `type/key`. The key may contain further slashes.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (type_name, key) =
            text.split_once('/').ok_or_else(|| Error::NoSlash(text.chars().take(100).collect()))?;
        Self::new(type_name, key)
    }
}

impl TryFrom<String> for ObjectId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.as_str().to_owned()
    }
}

/// SHA-256 digest of a component; identifies it in the catalog and in the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Identity of code: a revision of a type, and its component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeId {
    /// Number of the revision.
    pub revision: u32,
    /// Digest of its component.
    pub component: Digest,
}

impl Digest {
    /// Computes the digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        parse_hex(&text).map(Self).ok_or(Error::Digest(text))
    }
}

/// Parses exactly `2 * N` lower-case hexadecimal digits.
#[must_use]
pub fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let digits = text.as_bytes();
    // Checked here, because `from_str_radix` also accepts a sign and upper-case digits.
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 2 * N || !digits.iter().all(is_digit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Displays bytes as lower-case hexadecimal digits.
#[derive(Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TypeName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        Self::new(&name)
    }
}

impl From<TypeName> for String {
    fn from(name: TypeName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_follow_their_grammar() {
        for good in ["a", "todo", "shared-list2", &"a".repeat(63)] {
            assert!(TypeName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Todo", "1st", "-a", "a_b", "a/b", "ä", &"a".repeat(64)] {
            assert_eq!(TypeName::new(bad), Err(Error::TypeName(bad.to_owned())));
        }
    }

    #[test]
    fn keys_follow_their_grammar() {
        assert!(ObjectId::new("todo", &"k".repeat(256)).is_ok());
        assert_eq!(ObjectId::new("todo", ""), Err(Error::KeyEmpty));
        assert_eq!(ObjectId::new("todo", &"k".repeat(257)), Err(Error::KeyTooLong(257)));
        assert_eq!(ObjectId::new("todo", "a\u{1b}b"), Err(Error::KeyControl(0x1b)));
        assert_eq!("todo".parse::<ObjectId>(), Err(Error::NoSlash("todo".to_owned())));
    }

    #[test]
    fn blob_keys_lead_back_to_their_object_and_make_no_path_steps() {
        for key in ["42", "a/b", "..", "../../etc", "%2e", "ä ö", "a.json", "?&#"] {
            let id = ObjectId::new("todo", key).unwrap();
            let blob_key = id.blob_key();
            assert_eq!(blob_key.matches('/').count(), 2, "{blob_key}");
            assert_eq!(ObjectId::from_blob_key(&blob_key), Some(id));
        }
        assert_eq!(ObjectId::from_blob_key("objects/todo/%61.json"), None, "not the one spelling");
        assert_eq!(ObjectId::from_blob_key("types/todo.json"), None);
    }

    #[test]
    fn digests_are_read_back() {
        let digest = Digest::of(b"abc");
        assert!(digest.to_string().starts_with("ba7816bf"));
        assert_eq!(Digest::try_from(digest.to_string()), Ok(digest));
        assert!(Digest::try_from("BA".repeat(32)).is_err());
        assert!(Digest::try_from("+a".repeat(32)).is_err());
    }
}
