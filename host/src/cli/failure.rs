//! Command failures: message, hint and exit code.
//!
//! The exit code follows from the effect that the node reported, so that scripts can tell "not executed" from
//! "outcome unknown".

use crate::secret;
use crate::wire::problem::Document;

/// Exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Success. A failure has this code only if the reader of standard output closed the pipe.
    Done = 0,
    /// The object did not complete the call; a retry would not change this.
    Rejected = 1,
    /// Wrong usage, wrong environment, or a request that cannot succeed as it is.
    Usage = 2,
    /// Nothing was executed; a retry may succeed.
    Unavailable = 3,
    /// The request may have been executed.
    Unknown = 4,
}

/// Failure of a command.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    /// Wrong usage of the command.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// Problem with the local environment.
    pub(super) fn environment(message: impl Into<String>) -> Self {
        Self::usage(message)
    }

    /// The reader of standard output closed the pipe, which is not an error.
    pub(super) fn nobody_reads() -> Self {
        Self { exit: Exit::Done, message: String::new(), hint: None }
    }

    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The request was rejected; a retry would be rejected again.
    pub(super) fn rejected(message: String) -> Self {
        Self { exit: Exit::Rejected, message, hint: None }
    }

    /// Converts a node's error response.
    pub(super) fn of_problem(problem: Document) -> Self {
        let (exit, hint) = (exit_of(&problem), hint_of(&problem));
        let said = problem.rejection.map(|rejection| match rejection.detail {
            Some(detail) => format!(" ({} {})", rejection.code, detail.get()),
            None => format!(" ({})", rejection.code),
        });
        let message = format!("{}{} [{}]", problem.detail, said.unwrap_or_default(), problem.code);
        Self { exit, message, hint: hint.or(problem.hint) }
    }
}

impl From<secret::Error> for Failure {
    fn from(error: secret::Error) -> Self {
        Self { exit: Exit::Usage, message: error.message, hint: error.hint }
    }
}

/// Returns a hint that names command-line options, for codes where the node's hint does not.
fn hint_of(problem: &Document) -> Option<String> {
    let hint = match problem.code.as_str() {
        "unauthenticated" => {
            "use a token from the node's token file: --token-file FILE, or HIGHLANDER_TOKEN_FILE"
        }
        "forbidden" => {
            "use a token with that scope: --token-file FILE; highlander token generates one"
        }
        // The paths of this program are those of the nodes of its version.
        "unknown-route" => {
            "check --url and HIGHLANDER_URL: anything after the port is prepended to every path; or the \
             node has another version: compare highlander --version"
        }
        "version-mismatch" => {
            let object = problem.object.as_deref()?;
            return Some(format!("read the object and decide again: highlander get {object}"));
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Error codes for calls that the object itself did not complete.
const BY_THE_OBJECT: &[&str] = &[
    "object-rejected",
    "revision-rolled-back",
    "version-mismatch",
    "state-too-large",
    "object-trapped",
    "cpu-exceeded",
    "memory-exceeded",
    "stack-exceeded",
    "host-calls-exceeded",
    "contract-broken",
    "state-unreadable",
];

fn exit_of(problem: &Document) -> Exit {
    match problem.effect.as_str() {
        "none" if BY_THE_OBJECT.contains(&problem.code.as_str()) => Exit::Rejected,
        "none" if problem.retryable => Exit::Unavailable,
        "none" => Exit::Usage,
        // The effect is "applied", but the reply is lost: the script has to check the state here, too.
        _ => Exit::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_core::error::{Error, ErrorCode, Rejection};

    #[test]
    fn a_rejection_is_printed_with_its_code_and_its_detail_as_it_was_given() {
        let rejected = |detail: Option<&'static str>| {
            let (code, message) = ("limited".to_owned(), "wait".to_owned());
            let refusal = Rejection { code, message, detail: detail.map(Into::into) };
            let error = Error::new(ErrorCode::ObjectRejected, "todo/1 rejected the call: wait");
            let error = Error { rejection: Some(Box::new(refusal)), ..error };
            Failure::of_problem(Document::new(error, None)).message
        };
        let before = "todo/1 rejected the call: wait (limited";
        assert_eq!(rejected(None), format!("{before}) [object-rejected]"));
        let detail = r#"{"ms":0.12345678901234567890123}"#;
        assert_eq!(rejected(Some(detail)), format!("{before} {detail}) [object-rejected]"));
    }

    #[test]
    fn exit_codes_follow_from_the_effect() {
        let exit = |code| exit_of(&Document::new(Error::new(code, ""), None));
        for code in ErrorCode::ALL {
            let said = exit(*code);
            assert_ne!(said, Exit::Done, "{code}");
            let is_unknown = code.effect() != highlander_core::error::Effect::None;
            assert_eq!(said == Exit::Unknown, is_unknown, "{code}");
            assert_eq!(said == Exit::Unavailable, code.is_retryable() && !is_unknown, "{code}");
        }
        assert_eq!(exit(ErrorCode::ObjectRejected), Exit::Rejected);
        assert_eq!(exit(ErrorCode::UnknownType), Exit::Usage);
        for code in [ErrorCode::Unauthenticated, ErrorCode::Forbidden] {
            let failure = Failure::of_problem(Document::new(Error::new(code, ""), None));
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.hint.is_some_and(|hint| hint.contains("--token-file")), "{code}");
        }
        for code in BY_THE_OBJECT {
            assert!(ErrorCode::ALL.iter().any(|known| known.as_str() == *code), "{code}");
        }
    }
}
