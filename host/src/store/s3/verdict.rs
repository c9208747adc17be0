//! What an answer of the store, or its absence, says about the request.
//!
//! The rule where it is not clear: a request is only called refused or denied on the store's own word that nothing was
//! done. All else may have happened, or may still.

/// What is known of a request that was not answered with success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The condition does not hold; nothing was done.
    Refused,
    /// There is no such blob; nothing was done.
    Absent,
    /// It was not done, and will not be when it is repeated.
    Denied,
    /// It may have been done, or may be when it is repeated.
    Unclear,
}

/// A verdict, and what to tell about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    /// What happened, to which blob, and what to do; in no case a credential.
    pub(super) text: String,
}

/// Errors that pass although their status says otherwise.
///
/// A request that arrived damaged or too late is sent again whole. Credentials that have expired are fetched anew by
/// the SDK, and it takes the store's clock for signing once it has seen that its own is wrong.
const PASSING: [&str; 13] = [
    "BadDigest",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "ThrottlingException",
    "TokenRefreshRequired",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
];

/// The longest message of a store that is passed on.
const MESSAGE_CHARS_MAX: usize = 200;

impl Answer {
    /// From an error that the store sent.
    pub(super) fn new(
        bucket: &str,
        doing: &str,
        status: u16,
        code: Option<&str>,
        message: Option<&str>,
    ) -> Self {
        let verdict = verdict(status, code);
        let mut text = format!("{doing} in bucket {bucket}: the store answered {status}");
        if let Some(code) = code {
            text.push(' ');
            text.push_str(code);
        }
        if let Some(message) = message.filter(|message| !message.is_empty()) {
            text.push_str(": ");
            text.extend(message.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX));
        }
        if let Some(mend) = mend(status, code.unwrap_or_default()) {
            text.push_str("; ");
            text.push_str(mend);
        }
        Self { verdict, text }
    }

    /// From no answer, or one that nobody can understand.
    pub(super) fn none(bucket: &str, doing: &str, status: Option<u16>, reason: &str) -> Self {
        let text = match status {
            Some(status) => {
                format!("{doing} in bucket {bucket}: answer {status} is not S3's: {reason}")
            }
            None => format!("{doing} in bucket {bucket}: {reason}"),
        };
        Self { verdict: Verdict::Unclear, text }
    }
}

/// What a status and a code of S3 mean.
pub(super) fn verdict(status: u16, code: Option<&str>) -> Verdict {
    match (status, code) {
        (_, Some(code)) if PASSING.contains(&code) => Verdict::Unclear,
        (412, _) => Verdict::Refused,
        (404, Some("NoSuchKey")) => Verdict::Absent,
        (404, Some("NoSuchBucket")) => Verdict::Denied,
        // Any web server says so, and one that is in the way by mistake knows nothing about the blob.
        (404, _) => Verdict::Unclear,
        // 409: another write of the same blob is under way, and S3 decided on neither for this one.
        (408 | 409 | 425 | 429, _) => Verdict::Unclear,
        // The one failure of a server that repetition does not mend.
        (501, _) => Verdict::Denied,
        (300..=499, _) => Verdict::Denied,
        _ => Verdict::Unclear,
    }
}

fn mend(status: u16, code: &str) -> Option<&'static str> {
    Some(match (status, code) {
        (_, "NoSuchBucket") => "create the bucket, or correct its name",
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken") => {
            "check the credentials, and that the clock is right"
        }
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => {
            "the credentials have expired and are fetched anew"
        }
        (_, "RequestTimeTooSkewed") => "correct this machine's clock",
        (
            _,
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
        ) => "the bucket is in another region: set the region",
        (501, _) => "the store does not know conditional writes: use another one",
        (401 | 403, _) => {
            "allow these credentials to get, put and list under the prefix, and to delete components: without the \
             permission to list, S3 answers so for what is not there"
        }
        (301 | 307, _) => "set the region and the endpoint of the bucket",
        (413, _) => "the store's limit is below the size of a record or component",
        _ => return None,
    })
}
