//! Interprets the store's answer to a request, or the lack of one.
//!
//! In doubt the outcome is unknown: a request counts as refused or denied only if the store itself reports that
//! nothing was done. Anything else may have taken effect, or may still.

/// Known effect of a request that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The precondition failed; nothing was done.
    Refused,
    /// The blob does not exist; nothing was done.
    Absent,
    /// Nothing was done, and a retry would have the same result.
    Denied,
    /// The request may have taken effect, or may if it is retried.
    Unclear,
}

/// Verdict and its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) verdict: Outcome,
    /// Description of the failure, with the blob and the remedy. Never contains credentials.
    pub(super) text: String,
}

/// Error codes that are transient although their status suggests otherwise.
///
/// A request that arrived damaged or too late is sent again in full. The SDK renews expired credentials. Once it
/// has detected that its own clock is wrong, it signs by the store's clock.
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

/// Length limit for a message of the store in the description.
const MESSAGE_CHARS_MAX: usize = 200;

impl Answer {
    /// Interprets an error that the store sent.
    pub(super) fn new(
        bucket: &str,
        doing: &str,
        status: u16,
        code: Option<&str>,
        message: Option<&str>,
    ) -> Self {
        let verdict = verdict(status, code);
        let mut text = format!("{doing} in bucket {bucket}: the store returned {status}");
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

    /// Describes a missing or unintelligible answer.
    pub(super) fn none(bucket: &str, doing: &str, status: Option<u16>, reason: &str) -> Self {
        let text = match status {
            Some(status) => {
                format!("{doing} in bucket {bucket}: response {status} is not from S3: {reason}")
            }
            None => format!("{doing} in bucket {bucket}: {reason}"),
        };
        Self { verdict: Outcome::Unclear, text }
    }
}

/// Returns the meaning of an HTTP status and an S3 error code.
pub(super) fn verdict(status: u16, code: Option<&str>) -> Outcome {
    match (status, code) {
        (_, Some(code)) if PASSING.contains(&code) => Outcome::Unclear,
        (412, _) => Outcome::Refused,
        (404, Some("NoSuchKey")) => Outcome::Absent,
        (404, Some("NoSuchBucket")) => Outcome::Denied,
        // Any web server answers this way; one that was reached by mistake has no information about the blob.
        (404, _) => Outcome::Unclear,
        // 409: another write of the same blob is in progress, and S3 has decided neither.
        (408 | 409 | 425 | 429, _) => Outcome::Unclear,
        // The only server error for which a retry does not help.
        (501, _) => Outcome::Denied,
        (300..=499, _) => Outcome::Denied,
        _ => Outcome::Unclear,
    }
}

fn mend(status: u16, code: &str) -> Option<&'static str> {
    Some(match (status, code) {
        (_, "NoSuchBucket") => "create the bucket, or correct its name",
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken") => {
            "check the credentials and this machine's clock"
        }
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => {
            "the credentials have expired and will be fetched again"
        }
        (_, "RequestTimeTooSkewed") => "correct this machine's clock",
        (
            _,
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
        ) => "the bucket is in another region: set the region",
        (501, _) => "the store does not support conditional writes: use another one",
        (401 | 403, _) => {
            "allow these credentials to get, put and list under the prefix, and to delete components: without the \
             permission to list, S3 also returns this status for missing blobs"
        }
        (301 | 307, _) => "set the region and the endpoint of the bucket",
        (413, _) => "the store's limit is below the size of a record or component",
        _ => return None,
    })
}
