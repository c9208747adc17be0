//! Output of the compiling child: an answer on standard output, and text for the parent on standard error.
//!
//! An answer begins with a [`Tag`], which says how to read the rest.

use std::io::{self, Write as _};

/// First line of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// Machine code follows.
    Compiled,
    /// The compiler's error message follows.
    Refused,
    /// Memory ran out; nothing follows.
    NoMemory,
}

impl Tag {
    const ALL: [Self; 3] = [Self::Compiled, Self::Refused, Self::NoMemory];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Compiled => "compiled\n",
            Self::Refused => "refused\n",
            Self::NoMemory => "no memory\n",
        }
    }

    /// Removes the tag from an answer and returns it.
    pub(super) fn take(answer: &mut Vec<u8>) -> Option<Self> {
        let tag = Self::ALL.into_iter().find(|tag| answer.starts_with(tag.as_str().as_bytes()))?;
        answer.drain(..tag.as_str().len());
        Some(tag)
    }
}

/// Writes a text for the parent that is not part of the answer.
pub(super) fn say(text: &str) {
    // The parent may be gone.
    let _ = writeln!(io::stderr(), "{text}");
}
