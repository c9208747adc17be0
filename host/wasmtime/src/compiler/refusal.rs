//! Errors for components that cannot be compiled.

use highlander_core::engine::LoadError;

use crate::text::{cut, escape};

/// Length limit for the reason in an error.
pub(super) const REASON_BYTES_MAX: usize = 1024;

/// Returns the error for a component that the compiler rejects.
pub(crate) fn uncompilable(error: &wasmtime::Error) -> LoadError {
    LoadError::Refused(reason(&format!("{error:#}")))
}

/// Returns the reason in the form of a message, bounded and escaped.
pub(super) fn reason(text: &str) -> String {
    cut(&escape(&format!("it cannot be compiled: {text}")), REASON_BYTES_MAX).to_owned()
}
