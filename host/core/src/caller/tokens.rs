//! Accepted client tokens: the SHA-256 of each, its principal, and its scopes.
//!
//! A token has 256 random bits, so a fast hash is sufficient. Tokens are never kept or displayed, and never
//! repeated in an error, because a token file may contain one by mistake.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::Principal;
use super::scopes::Scopes;
use crate::id::Digest;

/// Prefix of generated tokens, so that a leaked one can be recognised.
const PREFIX: &str = "hl_";
/// Number of random bytes in a token.
pub const RANDOM_BYTES: usize = 32;

/// Tokens of a file.
#[derive(Clone, Default)]
pub struct Tokens(Vec<(Digest, Arc<Principal>)>);

/// Rejection of a token file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Malformed {
    /// Line number, from 1.
    pub line: usize,
    /// Description of the problem.
    pub why: String,
}

impl Tokens {
    /// Parses lines of the form `NAME SHA256 SCOPE,SCOPE`. Empty lines and lines that begin with `#` are ignored.
    ///
    /// # Errors
    /// The first malformed line.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut tokens = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line_text = line.trim();
            if line_text.is_empty() || line_text.starts_with('#') {
                continue;
            }
            let malformed = |why: String| Malformed { line: number + 1, why };
            let (digest, principal) = read(line_text).map_err(malformed)?;
            if tokens.0.iter().any(|(known, _)| *known == digest) {
                return Err(malformed("its token is already on another line".to_owned()));
            }
            tokens.0.push((digest, Arc::new(principal)));
        }
        Ok(tokens)
    }

    /// Returns the principal of a token. The duration reveals nothing about the accepted tokens.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<Arc<Principal>> {
        let presented = Digest::of(token.as_bytes());
        let mut found = None;
        for (digest, principal) in &self.0 {
            if is_same(digest, &presented) {
                found = Some(principal);
            }
        }
        found.cloned()
    }

    /// Returns the number of tokens.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Whether two digests are equal. Takes constant time.
#[must_use]
pub fn is_same(one: &Digest, other: &Digest) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn read(line: &str) -> Result<(Digest, Principal), String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let &[name, digest, scopes] = words.as_slice() else {
        return Err("it is not valid; expected the form NAME SHA256 SCOPE,SCOPE".to_owned());
    };
    let digest = Digest::try_from(digest.to_ascii_lowercase()).map_err(
        |_| "its second word is not the SHA-256 of a token; expected 64 hexadecimal digits",
    )?;
    let scopes: Scopes = scopes.parse()?;
    let principal = Principal::new(name, scopes).ok_or(
        "its first word is not a valid name; expected 1 to 64 of A-Z, a-z, 0-9, -, _, . and @, and not \"anonymous\"",
    )?;
    Ok((digest, principal))
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(_, principal)| principal.name());
        f.debug_tuple("Tokens").field(&names.collect::<Vec<_>>()).finish()
    }
}

/// Returns the token of these random bits.
#[must_use]
pub fn token(bits: [u8; RANDOM_BYTES]) -> String {
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bits))
}

/// Returns the token file's line for a principal's token.
#[must_use]
pub fn line(principal: &Principal, token: &str) -> String {
    format!("{} {} {}", principal.name(), Digest::of(token.as_bytes()), principal.scopes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_for(name: &str, token: &str, scopes: &str) -> String {
        line(&Principal::new(name, scopes.parse().unwrap()).unwrap(), token)
    }

    #[test]
    fn a_token_speaks_for_the_name_on_its_line() {
        let (old, new) = (token(rand::random()), token(rand::random()));
        assert!(old.starts_with(PREFIX) && old.len() == PREFIX.len() + 43, "{}", old.len());
        let lines = [
            "# people".to_owned(),
            String::new(),
            line_for("ada", &old, "call:*,admin"),
            format!("  {} ", line_for("ada", &new, "metrics")),
        ];
        let tokens = Tokens::parse(&lines.join("\n")).unwrap();
        assert_eq!(tokens.count(), 2);
        let found = tokens.find(&old).unwrap();
        assert_eq!((found.name(), found.scopes().to_string()), ("ada", "call:*,admin".to_owned()));
        assert_eq!(tokens.find(&new).unwrap().scopes().to_string(), "metrics");
        let longer = format!("{old}a");
        for other in ["", "ada", &token(rand::random()), &longer, &old[1..]] {
            assert_eq!(tokens.find(other), None);
        }
    }

    #[test]
    fn a_line_that_is_wrong_is_named_and_not_repeated() {
        let digest = Digest::of(b"x").to_string();
        for (text, why) in [
            ("hunter2", "form"),
            (&format!("ada {digest}"), "form"),
            (&format!("ada {digest} admin and more"), "form"),
            ("ada hunter2 admin", "second word"),
            (&format!("ada {digest} hunter2"), "scopes"),
            (&format!("hunter2! {digest} admin"), "first word"),
            (&format!("anonymous {digest} admin"), "first word"),
            (&format!("bob {} admin", Digest::of(b"y")), "already on another line"),
        ] {
            let whole = format!("{}\n# next\n{text}\n", line_for("eve", "y", "admin"));
            let error = Tokens::parse(&whole).unwrap_err();
            assert!(error.line == 3 && error.why.contains(why), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn what_is_printed_of_tokens_is_names() {
        let token = token(rand::random());
        let tokens = Tokens::parse(&line_for("ada", &token, "admin")).unwrap();
        assert_eq!(format!("{tokens:?}"), "Tokens([\"ada\"])");
    }
}
