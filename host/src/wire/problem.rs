//! Problem documents: `application/problem+json` (RFC 9457) with Highlander's extension members.
//!
//! `type` is `/problems/<code>`, under which a node serves the code's section of `docs/errors.md`.

use highlander_core::error::{Error, ErrorCode, Rejection};
use highlander_core::id::ObjectId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Media type of a problem.
pub const CONTENT: &str = "application/problem+json";

/// Error as clients see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "node", schemars(rename = "Problem"))]
pub struct Document {
    /// URL that explains the code.
    #[serde(rename = "type")]
    pub reference: String,
    /// Title of the error, derived from the code.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Description of the error, for people.
    pub detail: String,
    /// Error code, for programs.
    pub code: String,
    /// Whether the call took effect.
    #[cfg_attr(feature = "node", schemars(extend("enum" = ["none", "applied", "unknown"])))]
    pub effect: String,
    /// Whether the identical call may succeed later.
    pub retryable: bool,
    /// The object that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Suggested next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The object's own error, if it rejected the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<RejectionBody>,
}

/// Error with which an object rejects a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "node", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "node", schemars(rename = "Rejection"))]
pub struct RejectionBody {
    /// Code, for programs.
    pub code: String,
    /// Description, for people.
    pub message: String,
    /// Additional data for programs, as the object wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "node", schemars(with = "Option<serde_json::Value>"))]
    pub detail: Option<Box<RawValue>>,
}

impl Document {
    /// Creates the document of an error, which may concern one object.
    #[must_use]
    pub fn new(error: Error, object: Option<&ObjectId>) -> Self {
        let Error { code, message, hint, rejection, .. } = error;
        Self {
            reference: format!("/problems/{code}"),
            title: title(code),
            status: code.status(),
            detail: message,
            code: code.as_str().to_owned(),
            effect: code.effect().as_str().to_owned(),
            retryable: code.is_retryable(),
            object: object.map(|id| id.as_str().to_owned()),
            hint,
            rejection: rejection.map(|said| RejectionBody::from(*said)),
        }
    }
}

impl From<Rejection> for RejectionBody {
    fn from(said: Rejection) -> Self {
        let Rejection { code, message, detail } = said;
        // Text that is not valid JSON is omitted.
        let detail = detail.and_then(|detail| serde_json::from_slice(&detail).ok());
        Self { code, message, detail }
    }
}

impl From<RejectionBody> for Rejection {
    fn from(said: RejectionBody) -> Self {
        let RejectionBody { code, message, detail } = said;
        let detail = detail.map(|detail| Box::<str>::from(detail).into_string().into());
        Self { code, message, detail }
    }
}

fn title(code: ErrorCode) -> String {
    let words = code.as_str().replace('-', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_the_members_that_its_error_has() {
        let error = Error::new(ErrorCode::OutcomeUnknown, "no answer");
        let document = serde_json::to_value(Document::new(error, None)).unwrap();
        let expected = serde_json::json!({
            "type": "/problems/outcome-unknown", "title": "Outcome unknown", "status": 504, "detail": "no answer",
            "code": "outcome-unknown", "effect": "unknown", "retryable": true,
        });
        assert_eq!(document, expected);
    }
}
