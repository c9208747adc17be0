//! Errors for components that the prescan rejects.

use highlander_core::engine::LoadError;

/// Rejects a component with more than `max` of something.
pub(super) fn bound(what: &str, count: u64, max: u64) -> Result<(), LoadError> {
    if count > max {
        return Err(refused(&format!("it has {count} {what}; expected at most {max}")));
    }
    Ok(())
}

/// Returns the error for a component that cannot be parsed.
#[allow(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
pub(super) fn invalid(error: wasmparser::BinaryReaderError) -> LoadError {
    refused(&error.to_string())
}

/// Returns the error for a component that is rejected for this reason.
pub(super) fn refused(text: &str) -> LoadError {
    LoadError::Refused(text.to_owned())
}
