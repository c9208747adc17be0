//! Binary data in states, arguments, replies and events.
//!
//! JSON has no type for bytes. A `Vec<u8>` would be encoded as an array of numbers, three or four times as long.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A byte string. In JSON it is base64 text: the standard alphabet with padding (RFC 4648, section 4).
///
/// Its schema is `{"type": "string", "contentEncoding": "base64"}`. A serde format that is not human-readable
/// stores the raw bytes: see [`StateCodec`](crate::StateCodec).
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
/// use highlander_sdk::testing::Harness;
///
/// #[derive(ObjectState)]
/// struct Picture {
///     pixels: Bytes,
/// }
///
/// #[object]
/// impl Picture {
///     /// Replaces the picture, and answers with its size.
///     fn draw(&mut self, pixels: Bytes) -> usize {
///         self.pixels = pixels;
///         self.pixels.len()
///     }
/// }
///
/// let mut picture = Harness::<Picture>::new();
/// assert_eq!(picture.call("draw", Bytes::from([0xff, 0, 0])).unwrap(), 3);
/// assert_eq!(picture.call("get", ()).unwrap(), json!({ "pixels": "/wAA" }));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// Returns the bytes as a `Vec<u8>`, without copying them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::Bytes;
    /// assert_eq!(Bytes::from([1, 2]).into_vec(), vec![1, 2]);
    /// ```
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Bytes {
        Bytes(bytes.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for Bytes {
    fn from(bytes: [u8; N]) -> Bytes {
        Bytes(bytes.to_vec())
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Vec<u8> {
        bytes.0
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bytes").field(&BASE64.encode(&self.0)).finish()
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&BASE64.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Text)
        } else {
            deserializer.deserialize_byte_buf(Raw)
        }
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64 text with padding")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        let bytes = BASE64.decode(text);
        bytes
            .map(Bytes)
            .map_err(|error| E::custom(format_args!("expected base64 text with padding: {error}")))
    }
}

struct Raw;

impl Visitor<'_> for Raw {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::read;

    #[test]
    fn bytes_are_base64_in_json_and_every_other_text_is_refused() {
        for (bytes, text) in
            [(&b""[..], ""), (b"\0", "AA=="), (b"\xff\xfe", "//4="), (b"abc", "YWJj")]
        {
            let json = format!("\"{text}\"");
            assert_eq!(serde_json::to_string(&Bytes::from(bytes)).unwrap(), json);
            assert_eq!(read::<Bytes>(json.as_bytes()).unwrap(), Bytes::from(bytes));
        }
        // Missing padding, stray trailing bits, another alphabet, white space, no string (twice), too short.
        for bad in ["\"AA\"", "\"AB==\"", "\"__4=\"", "\"YWJ j\"", "[1, 2]", "null", "\"Y\""] {
            let error = read::<Bytes>(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("base64"), "{bad}: {error}");
        }
    }
}
