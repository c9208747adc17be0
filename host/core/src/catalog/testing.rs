//! Parts of deployments for tests of the record's changes.

use crate::catalog::deploy::{DeployOptions, NewComponent, Released};
use crate::catalog::record::TypeRecord;
use crate::engine::Description;
use crate::error::Error;
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

/// Applies the deployment of a component with this digest to the record.
pub(super) fn deploy(
    record: &mut TypeRecord,
    digest: Digest,
    options: &DeployOptions,
    now_ms: u64,
) -> Result<Released, Error> {
    let component = NewComponent { digest, size: 7, description: &description() };
    record.deploy(component, options, now_ms)
}
