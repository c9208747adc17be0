//! Secret files, which only their owner may be able to read.
//!
//! Secrets are passed to the code that needs them, and are never logged, displayed, or kept in the configuration.

use std::path::Path;

use highlander_system::files::{self, Rules, Untrusted};

/// Maximum size of a secret file; a larger file is something else.
const SECRET_BYTES_MAX: u64 = 4096;
/// Permission bits with which others can read or write a file.
const FOR_OTHERS: u32 = 0o077;

/// Rejection of a file, or of a setting ([`config`](crate::config)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Description of the problem and its location.
    pub message: String,
    /// Suggested fix.
    pub hint: Option<String>,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Reads a secret, without surrounding white space.
///
/// # Errors
/// The file cannot be read, belongs to another user, or is readable by others.
pub fn read(path: &Path) -> Result<String, Error> {
    Ok(read_text(path, FOR_OTHERS, SECRET_BYTES_MAX)?.trim().to_owned())
}

/// Reads the text of a file whose mode has none of the bits in `mode_denied`.
///
/// # Errors
/// The file cannot be read, belongs to another user, has a denied mode bit, or is too long.
pub fn read_text(path: &Path, mode_denied: u32, bytes_max: u64) -> Result<String, Error> {
    let shown = path.display();
    let bytes = files::read(path, &Rules::of_operator(mode_denied, bytes_max));
    let bytes = bytes.map_err(|untrusted| match untrusted {
        Untrusted::TooOpen(mode) => {
            let what = if mode & mode_denied & 0o022 == 0 { "read" } else { "changed" };
            let text = format!("{shown} can be {what} by users other than its owner");
            Error::new(text).with_hint(format!("chmod 600 {shown}"))
        }
        Untrusted::OtherOwner(owner) => {
            let text =
                format!("{shown} belongs to another user (UID {owner}), who could change it");
            Error::new(text).with_hint(format!("chown USER {shown}, where USER runs this program"))
        }
        Untrusted::TooLong(max) => Error::new(format!("{shown} has more than {max} bytes")),
        Untrusted::NotRegular => Error::new(format!("{shown} is not a regular file")),
        Untrusted::Unreadable(error) => Error::new(format!("cannot read {shown}: {error}")),
    })?;
    String::from_utf8(bytes).map_err(|_| Error::new(format!("{shown} is not UTF-8 text")))
}

/// Reads credentials of the form `user:password`.
///
/// # Errors
/// As for [`read`]; also if the content has another form.
pub fn read_credentials(path: &Path) -> Result<String, Error> {
    let text = read(path)?;
    let parts = text.split_once(':');
    if parts.is_some_and(|(user, password)| !user.is_empty() && !password.is_empty())
        && !text.contains(char::is_control)
    {
        return Ok(text);
    }
    let text = format!("{} does not contain valid credentials", path.display());
    Err(Error::new(text).with_hint("expected one line of the form user:password"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use highlander_testing::files::with_mode;

    use super::*;

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        for (mode, what) in [(0o640, "read"), (0o604, "read"), (0o666, "changed")] {
            let error = read(with_mode("user:password", mode).path()).unwrap_err();
            assert!(error.message.contains(&format!("can be {what} by users other")), "{error:?}");
            assert!(error.hint.unwrap().starts_with("chmod 600"));
        }
        assert_eq!(read(with_mode("secret\n", 0o600).path()), Ok("secret".to_owned()));
    }

    #[test]
    fn a_secret_of_another_user_is_refused() {
        let file = with_mode("user:password", 0o600);
        // Only root may change a file's owner.
        if chown(file.path(), Some(1), None).is_ok() {
            let error = read(file.path()).unwrap_err();
            assert!(error.message.contains("belongs to another user (UID 1)"), "{error:?}");
            assert!(error.hint.unwrap().starts_with("chown "));
        }
    }

    #[test]
    fn what_is_no_file_or_no_text_is_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(error.message.contains("not a regular file"), "{error:?}");
        let error = read(with_mode(&"x".repeat(4097), 0o600).path()).unwrap_err();
        assert!(error.message.contains("more than 4096 bytes"), "{error:?}");
    }

    #[test]
    fn credentials_have_two_parts_and_are_not_shown_when_refused() {
        let good = with_mode("user:pass:word\n", 0o400);
        assert_eq!(read_credentials(good.path()), Ok("user:pass:word".to_owned()));
        for text in ["hunter2", ":hunter2", "hunter2:", "user:hunter2\nsecond", ""] {
            let error = read_credentials(with_mode(text, 0o600).path()).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
