//! Checks problem documents: their format, and their agreement with `docs/errors.md`.
//!
//! The documentation is the oracle; the host's table of codes is not used.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::artifacts;
use crate::reply::Reply;

/// Documentation of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documented {
    /// HTTP status.
    pub status: u16,
    /// Effect: `none`, `applied` or `unknown`.
    pub effect: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

/// Every documented code.
pub static CODES: LazyLock<BTreeMap<String, Documented>> = LazyLock::new(|| {
    let text = artifacts::text("docs/errors.md").expect("docs/errors.md exists");
    let sections = text.split("\n## `").skip(1);
    sections
        .map(|section| read(section).unwrap_or_else(|| panic!("cannot parse {section}")))
        .collect()
});

/// Parses a section: its code, and the sentence ``Status 400, effect `none`, not retryable.``
fn read(section: &str) -> Option<(String, Documented)> {
    let (code, rest) = section.split_once('`')?;
    let line = rest.lines().find_map(|line| line.strip_prefix("Status "))?;
    let (status, line) = line.split_once(", effect `")?;
    let (effect, retryable) = line.split_once("`, ")?;
    let retryable = match retryable {
        "retryable." => true,
        "not retryable." => false,
        _ => return None,
    };
    let documented =
        Documented { status: status.parse().ok()?, effect: effect.to_owned(), retryable };
    Some((code.to_owned(), documented))
}

impl Reply {
    /// Returns the problem document, and asserts that it has this code.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "most tests need only the check")]
    pub fn problem(&self, code: &str) -> Value {
        check(self, code)
    }
}

/// Returns the problem document in `reply`, and asserts that it is complete and has this code.
#[track_caller]
fn check(reply: &Reply, code: &str) -> Value {
    let expected = CODES.get(code).unwrap_or_else(|| panic!("{code} is not documented"));
    let document = reply.json();
    assert_eq!(document["code"], code, "{document}");
    let said = Documented {
        status: reply.status,
        effect: text(&document, "effect"),
        retryable: document["retryable"].as_bool().expect("a boolean"),
    };
    assert_eq!(&said, expected, "{document}");
    assert_eq!(document["status"], reply.status, "{document}");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(document["type"], format!("/problems/{code}"));
    assert!(!text(&document, "title").is_empty() && !text(&document, "detail").is_empty());
    assert_eq!(document.get("rejection").is_some(), code == "object-rejected", "{document}");
    // An error must not reveal details of the machine or of the host's internals.
    let whole = document.to_string();
    for leak in ["/tmp/", "wasmtime", "tokio"] {
        assert!(!whole.contains(leak), "{leak:?} in {whole}");
    }
    assert!(!text(&document, "detail").contains('\n'), "detail is one line: {document}");
    document
}

#[track_caller]
fn text(document: &Value, member: &str) -> String {
    document[member].as_str().unwrap_or_else(|| panic!("{member} in {document}")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_is_read() {
        let full = Documented { status: 429, effect: "none".to_owned(), retryable: true };
        assert_eq!(CODES.get("mailbox-full"), Some(&full));
        let unknown = Documented { status: 504, effect: "unknown".to_owned(), retryable: true };
        assert_eq!(CODES.get("outcome-unknown"), Some(&unknown));
        assert!(CODES.len() > 30, "{}", CODES.len());
    }
}
