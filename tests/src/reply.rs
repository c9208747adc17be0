//! A complete response of a node, with the checks that every test needs.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// Response body.
    pub body: Bytes,
}

impl Reply {
    /// Asserts that the status is 200.
    #[track_caller]
    #[must_use]
    pub fn done(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// Returns a header, which must be present.
    #[track_caller]
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no header {name}: {self:?}"));
        value.to_str().unwrap()
    }

    /// Returns the node that owns the object: the one that responded, or the one that it forwarded the call to.
    #[track_caller]
    #[must_use]
    pub fn owner(&self) -> &str {
        let name = if self.headers.contains_key("highlander-owner") {
            "highlander-owner"
        } else {
            "highlander-node"
        };
        self.header(name)
    }

    /// Returns the object's part of the response: its body and its version.
    #[track_caller]
    #[must_use]
    pub fn content(&self) -> (&[u8], u64) {
        (&self.body, self.version())
    }

    /// Whether this is the cached response of an earlier call.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
    }

    /// Returns the object's version. The entity tag, if any, must begin with it; the revision follows in the tag.
    #[track_caller]
    #[must_use]
    pub fn version(&self) -> u64 {
        let version = self.number("highlander-version");
        if let Some(tag) = self.headers.get("etag") {
            let start = format!("\"{version}-r{}", self.revision());
            assert!(tag.to_str().unwrap().starts_with(&start), "{tag:?} of version {version}");
        }
        version
    }

    /// Returns the epoch of that version.
    #[track_caller]
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.number("highlander-epoch")
    }

    /// Returns the revision that responded; asserts that the header occurs exactly once.
    #[track_caller]
    #[must_use]
    pub fn revision(&self) -> u64 {
        assert_eq!(self.headers.get_all("highlander-revision").iter().count(), 1, "{self:?}");
        self.number("highlander-revision")
    }

    /// Returns the body as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    fn number(&self, name: &str) -> u64 {
        self.header(name).parse().expect("a number")
    }
}
