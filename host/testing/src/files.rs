//! Temporary files with a mode, for tests of code that checks it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use tempfile::NamedTempFile;

/// Creates a file with this content and this mode. It is removed when the value is dropped.
///
/// # Panics
/// The file cannot be created.
#[must_use]
pub fn with_mode(text: &str, mode: u32) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file can be created");
    fs::write(file.path(), text).expect("it can be written");
    fs::set_permissions(file.path(), Permissions::from_mode(mode)).expect("its mode can be set");
    file
}
