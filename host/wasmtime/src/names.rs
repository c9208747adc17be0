//! Names that components may give.

use highlander_core::limits::HANDLER_NAME_BYTES_MAX;

/// Whether a handler may have this name, apart from reserved names.
pub(super) fn is_handler_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= HANDLER_NAME_BYTES_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        })
}
