//! Secrets in files that nobody but their owner can read.
//!
//! What is read here is handed to who needs it, and is never logged, shown, or kept in the configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Error;

/// A file longer than this holds no secret of ours.
const SECRET_BYTES_MAX: u64 = 4096;

/// The file's text, without white space around it.
///
/// # Errors
/// Where it cannot be read, or can be read by others.
pub fn read(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    let cannot = |error: std::io::Error| Error::new(format!("cannot read {shown}: {error}"));
    let metadata = fs::metadata(path).map_err(cannot)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        let text = format!("{shown} can be read by others than its owner");
        return Err(Error::new(text).with_hint(format!("chmod 600 {shown}")));
    }
    if metadata.len() > SECRET_BYTES_MAX {
        return Err(Error::new(format!("{shown} is too long for a secret")));
    }
    Ok(fs::read_to_string(path).map_err(cannot)?.trim().to_owned())
}

/// A user's name and password, as `user:password`.
///
/// # Errors
/// As [`read`], and where it is something else.
pub fn read_credentials(path: &Path) -> Result<String, Error> {
    let text = read(path)?;
    let parts = text.split_once(':');
    if parts.is_some_and(|(user, password)| !user.is_empty() && !password.is_empty())
        && !text.contains(char::is_control)
    {
        return Ok(text);
    }
    let text = format!("{} does not hold credentials", path.display());
    Err(Error::new(text).with_hint("one line of the form user:password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        for mode in [0o640, 0o604, 0o666] {
            let error = read(file("user:password", mode).path()).unwrap_err();
            assert!(error.message.contains("can be read by others"), "{error:?}");
            assert!(error.hint.unwrap().starts_with("chmod 600"));
        }
        assert_eq!(read(file("secret\n", 0o600).path()), Ok("secret".to_owned()));
    }

    #[test]
    fn credentials_have_two_parts_and_are_not_shown_when_refused() {
        let good = file("user:pass:word\n", 0o400);
        assert_eq!(read_credentials(good.path()), Ok("user:pass:word".to_owned()));
        for text in ["hunter2", ":hunter2", "hunter2:", "user:hunter2\nsecond", ""] {
            let error = read_credentials(file(text, 0o600).path()).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
