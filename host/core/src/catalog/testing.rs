//! Parts of deployments for tests of the record's changes.

use crate::engine::Description;
use crate::id::Digest;

/// Returns the digest of a component that stands for this text.
pub(super) fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// Returns the description of a type `todo` without handlers.
pub(super) fn description() -> Description {
    serde_json::from_value(serde_json::json!({
        "name": "todo", "documentation": "", "schema_version": 1,
        "state_content_type": "application/json", "state": true, "handlers": [],
    }))
    .unwrap()
}
