//! Expected output of a command in a script.
//!
//! Data is compared as a whole. Text for people is only searched for a word, because its wording may improve.

use anyhow::{Context, Result, bail};
use serde_json::Value;

#[derive(Clone, Copy)]
pub(crate) enum Expect {
    /// Any output.
    Success,
    /// This JSON value, in any layout.
    Json(&'static str),
    /// Output that contains this text, in any case.
    Mentions(&'static str),
}

impl Expect {
    /// Compares the expectation with the output.
    pub(crate) fn check(self, output: &str) -> Result<()> {
        match self {
            Self::Success => {}
            Self::Json(text) => {
                let expected: Value = serde_json::from_str(text)?;
                let actual: Value = serde_json::from_str(output.trim())
                    .with_context(|| format!("expected {text}, got {:?}", output.trim()))?;
                if actual != expected {
                    bail!("expected {expected}, got {actual}");
                }
            }
            Self::Mentions(word) => {
                if !output.to_lowercase().contains(&word.to_lowercase()) {
                    bail!("expected text that contains {word:?}, got {:?}", output.trim());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_and_not_their_layout() {
        let expect = Expect::Json(r#"{"a":1,"b":2}"#);
        assert!(expect.check("{ \"b\": 2,\n \"a\": 1 }\n").is_ok());
        assert!(expect.check(r#"{"a":1}"#).is_err());
        assert!(expect.check("").is_err());
    }

    #[test]
    fn a_word_is_enough_in_text() {
        assert!(Expect::Mentions("epoch").check("Epoch  3\n").is_ok());
        assert!(Expect::Mentions("epoch").check("").is_err());
        assert!(Expect::Success.check("").is_ok());
    }
}
