//! Authentication settings, and the files with tokens that they name.
//!
//! Tokens are never part of a [`Config`](super::Config), never displayed, and never repeated in an error.

use std::fmt;
use std::path::{Path, PathBuf};

use highlander_core::caller::tokens::Tokens;
use highlander_core::id::Digest;
use http::HeaderValue;

use crate::secret::{self, Error};

/// Maximum size of a token file; a larger file is something else.
const TOKENS_BYTES_MAX: u64 = 1024 * 1024;
/// Minimum length of a node token; shorter ones could be guessed.
const NODE_TOKEN_CHARS_MIN: usize = 32;

/// `auth.…`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthConfig {
    /// `auth.tokens_file`; `None` means that all callers are accepted.
    pub tokens_file: Option<PathBuf>,
    /// `auth.node_token_file`.
    pub node_token_file: Option<PathBuf>,
}

/// Tokens with which the nodes of a cluster authenticate each other.
pub struct NodeTokens {
    /// Token that this node presents, as a header value.
    pub shown: HeaderValue,
    /// Digests of all accepted tokens.
    pub taken: Vec<Digest>,
}

impl AuthConfig {
    /// Reads the client tokens, if a file is configured.
    ///
    /// # Errors
    /// See [`read_tokens`].
    pub fn tokens(&self) -> Result<Option<Tokens>, Error> {
        self.tokens_file.as_deref().map(read_tokens).transpose()
    }

    /// Reads the node tokens, if a file is configured.
    ///
    /// # Errors
    /// The file cannot be read, is readable by others, or does not hold node tokens.
    pub fn node_tokens(&self) -> Result<Option<NodeTokens>, Error> {
        self.node_token_file.as_deref().map(read_node_tokens).transpose()
    }
}

/// Reads a token file.
///
/// # Errors
/// The file cannot be read, belongs to another user, is writable by others, or has an invalid line.
pub fn read_tokens(path: &Path) -> Result<Tokens, Error> {
    let shown = path.display();
    let text = secret::read_text(path, 0o022, TOKENS_BYTES_MAX)?;
    Tokens::parse(&text).map_err(|malformed| {
        Error::new(format!("{shown}, {malformed}"))
            .with_hint("generate the line with: highlander token NAME --scopes call:TYPE")
    })
}

fn read_node_tokens(path: &Path) -> Result<NodeTokens, Error> {
    let text = secret::read(path)?;
    let is_token = |line: &&str| {
        line.len() >= NODE_TOKEN_CHARS_MIN && line.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let first = lines.first().filter(|_| lines.iter().all(is_token));
    let shown = first.and_then(|line| HeaderValue::try_from(format!("Bearer {line}")).ok());
    let Some(mut shown) = shown else {
        let text = format!("{} does not contain valid node tokens", path.display());
        let hint = format!(
            "expected a line of at least {NODE_TOKEN_CHARS_MIN} visible ASCII characters, the same on all nodes: \
             openssl rand -hex 32"
        );
        return Err(Error::new(text).with_hint(hint));
    };
    shown.set_sensitive(true);
    Ok(NodeTokens { shown, taken: lines.iter().map(|line| Digest::of(line.as_bytes())).collect() })
}

impl fmt::Debug for NodeTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeTokens").field("count", &self.taken.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use highlander_testing::files::with_mode;

    use super::*;

    #[test]
    fn a_file_of_tokens_may_be_read_by_others_and_changed_by_nobody_else() {
        let line = format!("ci {} deploy:todo\n", Digest::of(b"x"));
        assert_eq!(read_tokens(with_mode(&line, 0o644).path()).unwrap().count(), 1);
        for mode in [0o620, 0o602] {
            let error = read_tokens(with_mode(&line, mode).path()).unwrap_err();
            assert!(error.message.contains("can be changed by users other"), "{error:?}");
        }
        let error = read_tokens(Path::new("/nowhere/tokens")).unwrap_err();
        assert!(error.message.starts_with("cannot read /nowhere/tokens"), "{error:?}");
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let token = with_mode(&"n".repeat(32), 0o600);
        let tokens = with_mode(&format!("ci {} deploy:todo\n", Digest::of(b"x")), 0o644);
        // Only root may change a file's owner.
        if chown(token.path(), Some(1), None).is_err() {
            return;
        }
        chown(tokens.path(), Some(1), None).unwrap();
        let errors =
            [read_tokens(tokens.path()).unwrap_err(), read_node_tokens(token.path()).unwrap_err()];
        for error in errors {
            assert!(error.message.contains("belongs to another user"), "{error:?}");
            assert!(error.hint.unwrap().starts_with("chown "));
        }
    }

    #[test]
    fn a_file_of_tokens_is_a_file_of_a_bounded_length() {
        let error = read_tokens(Path::new("/dev/zero")).unwrap_err();
        assert!(error.message.contains("not a regular file"), "{error:?}");
        let error = read_tokens(with_mode(&"#".repeat(1024 * 1024 + 1), 0o600).path()).unwrap_err();
        assert!(error.message.contains("more than 1048576 bytes"), "{error:?}");
    }

    #[test]
    fn a_line_that_is_wrong_is_named_and_never_shown() {
        let error =
            read_tokens(with_mode("# ours\nhunter2 hunter2 hunter2\n", 0o600).path()).unwrap_err();
        assert!(error.message.contains(", line 2: "), "{error:?}");
        assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("highlander token")));
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn the_first_token_of_a_node_is_shown_and_every_one_taken() {
        let (new, old) = ("n".repeat(32), "o".repeat(64));
        let tokens = read_node_tokens(with_mode(&format!("{new}\n{old}\n"), 0o600).path()).unwrap();
        assert_eq!(tokens.shown, format!("Bearer {new}"));
        assert_eq!(tokens.taken, [Digest::of(new.as_bytes()), Digest::of(old.as_bytes())]);
        assert!(!format!("{tokens:?}{:?}", tokens.shown).contains("nnn"));
        for text in ["", "hunter2", &"hunter2 ".repeat(8), &format!("{new}\nhunter2")] {
            let error = read_node_tokens(with_mode(text, 0o600).path()).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(read_node_tokens(with_mode(&new, 0o640).path()).is_err());
    }
}
