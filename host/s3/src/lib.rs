//! The store on S3 or an S3-compatible server.
//!
//! A blob is an S3 object under the configured prefix, and a write is a single PUT under `If-None-Match: *` or
//! `If-Match`. The SDK never retries a write: a second attempt would fail its precondition because of the first
//! one's success. Reads and removals are retried a few times. [`outcome`] alone interprets the answers.
//! [`probe`] checks whether the store enforces conditions at all.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    ProvideCredentials as _, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use bytes::{Bytes, BytesMut};
use highlander_core::store::{Blob, Condition, ETag, Error, Page, PutOutcome, Store};
use tokio::time::timeout;

mod client_config;
mod endpoint;
mod listing;
mod outcome;
pub mod probe;

use endpoint::OneBucket;
use outcome::{Answer, Outcome};

/// Upper bound of the connection timeout.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(2);
/// Attempts per read. Callers retry longer outages.
const READ_ATTEMPT_COUNT_MAX: u32 = 3;
const READ_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Size limit for blobs; the largest are components.
const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Location of the blobs, and how to access them.
#[derive(Debug, Clone)]
pub struct Options {
    /// The bucket, which must exist.
    pub bucket: String,
    /// Prefix of all names: one or more path segments, or empty.
    pub prefix: String,
    /// Endpoint to use instead of AWS.
    pub endpoint: Option<String>,
    /// Region, unless the SDK finds it.
    pub region: Option<String>,
    /// Whether the bucket name is in the path rather than in the host name.
    pub path_style: bool,
    /// Time limit for a request, including all its attempts.
    pub request_timeout: Duration,
}

/// Credentials for signing requests.
#[derive(Clone)]
pub struct AccessKey {
    /// Public key id.
    pub id: String,
    /// Secret key.
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Reason why no store can be created from the options. This check does not contact the bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The bucket name is invalid.
    #[error("{0:?} is not a valid bucket name; expected 3 to 63 of a-z, 0-9, - and .")]
    Bucket(String),
    /// The prefix cannot be part of a name.
    #[error(
        "the prefix {0:?} is not valid; expected at most 256 printable ASCII characters without empty segments"
    )]
    Prefix(String),
    /// The endpoint is not a valid address.
    #[error("the endpoint {0:?} is not a valid address; expected https://host:port")]
    Endpoint(String),
    /// The region is missing.
    #[error(
        "no region is configured, and neither AWS_REGION nor the AWS profile names one: set one of them"
    )]
    Region,
    /// The credentials are missing.
    #[error(
        "no credentials for bucket {bucket}: {reason}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, an AWS \
             profile, or a role of this machine"
    )]
    Credentials {
        /// The bucket.
        bucket: String,
        /// The SDK's error message.
        reason: String,
    },
}

/// Store in an S3 bucket.
pub struct S3 {
    /// Client that sends each request once.
    writer: Client,
    /// Client that retries transient failures.
    reader: Client,
    bucket: String,
    /// Empty, or ends with a slash.
    prefix: String,
    request_timeout: Duration,
}

impl fmt::Debug for S3 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, .. } = self;
        formatter
            .debug_struct("S3")
            .field("bucket", bucket)
            .field("prefix", prefix)
            .finish_non_exhaustive()
    }
}

impl S3 {
    /// Creates a store on a bucket. The SDK looks up credentials and missing options in its usual places: the
    /// environment, the AWS profile, and the machine's metadata service.
    ///
    /// # Errors
    /// See [`ConnectError`]. The options or the environment must be corrected.
    pub async fn connect(options: Options) -> Result<Self, ConnectError> {
        Self::connect_as(options, None).await
    }

    /// Like [`S3::connect`], with an access key from the caller. Used by tests.
    ///
    /// # Errors
    /// As [`S3::connect`].
    pub async fn connect_with_key(options: Options, key: AccessKey) -> Result<Self, ConnectError> {
        Self::connect_as(options, Some(key)).await
    }

    async fn connect_as(options: Options, key: Option<AccessKey>) -> Result<Self, ConnectError> {
        let prefix = client_config::checked_prefix(&options)?;
        let config = client_config::config(&options, key).await?;
        // Checked here, so that missing credentials are reported at startup rather than by the first write.
        if let Some(provider) = config.credentials_provider()
            && let Err(error) = provider.provide_credentials().await
        {
            return Err(ConnectError::Credentials {
                bucket: options.bucket,
                reason: chain(&error),
            });
        }
        let builder = aws_sdk_s3::config::Builder::from(&config)
            .endpoint_resolver(OneBucket::default())
            .force_path_style(options.path_style)
            // The signature, which the store verifies, covers a hash of a small body. An additional checksum would
            // protect nothing more, and not every store supports the trailer that carries it. Checksums of answers
            // are verified if present.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenSupported);
        let (connect_timeout, total) =
            (options.request_timeout.min(CONNECT_TIMEOUT_MAX), options.request_timeout);
        let timeouts = TimeoutConfig::builder().connect_timeout(connect_timeout);
        // An attempt without an answer must leave time for another one.
        let read_timeouts = timeouts.clone().operation_attempt_timeout(total / 2);
        let retries = RetryConfig::standard()
            .with_max_attempts(READ_ATTEMPT_COUNT_MAX)
            .with_initial_backoff(READ_PAUSE_MIN);
        let writer =
            builder.clone().retry_config(RetryConfig::disabled()).timeout_config(timeouts.build());
        let reader = builder.retry_config(retries).timeout_config(read_timeouts.build());
        Ok(Self {
            writer: Client::from_conf(writer.build()),
            reader: Client::from_conf(reader.build()),
            bucket: options.bucket,
            prefix,
            request_timeout: options.request_timeout,
        })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn no_answer(&self, doing: &str) -> String {
        let seconds = self.request_timeout.as_secs_f32();
        format!("{doing} in bucket {}: no response within {seconds} s", self.bucket)
    }

    /// Classifies an SDK error.
    fn answer<E>(&self, doing: &str, error: &SdkError<E>) -> Answer
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        match (error, status) {
            (SdkError::ServiceError(context), Some(status)) => {
                let (code, message) = (context.err().code(), context.err().message());
                Answer::new(&self.bucket, doing, status, code, message)
            }
            (_, status) => Answer::none(&self.bucket, doing, status, &chain(error)),
        }
    }

    /// Reads the whole body.
    async fn read(&self, name: &str, output: GetObjectOutput) -> Result<Blob, Error> {
        let unavailable = |what: &str| {
            Error::Unavailable(format!("blob {name} in bucket {}: {what}", self.bucket))
        };
        let etag = output.e_tag().and_then(etag_of);
        let etag = etag.ok_or_else(|| unavailable("the response has no ETag"))?;
        let expected = output.content_length().and_then(|length| usize::try_from(length).ok());
        let mut bytes = BytesMut::with_capacity(expected.unwrap_or_default().min(BLOB_BYTES_MAX));
        let mut body = output.body;
        while let Some(part) = body.next().await {
            let part = part.map_err(|error| {
                unavailable(&format!("the body is incomplete: {}", chain(&error)))
            })?;
            if bytes.len() + part.len() > BLOB_BYTES_MAX {
                let bucket = &self.bucket;
                let text = format!(
                    "blob {name} in bucket {bucket} has more than {BLOB_BYTES_MAX} bytes, so no node wrote it"
                );
                return Err(Error::Denied(text));
            }
            bytes.extend_from_slice(&part);
        }
        match expected {
            Some(expected) if expected != bytes.len() => {
                Err(unavailable(&format!("{} of {expected} bytes arrived", bytes.len())))
            }
            _ => Ok(Blob { bytes: bytes.freeze(), etag }),
        }
    }

    async fn get_once(&self, name: &str) -> Result<Option<Blob>, Error> {
        let get = self.reader.get_object().bucket(&self.bucket).key(self.key(name));
        match get.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(output) => self.read(name, output).await.map(Some),
            Err(error) => {
                let answer = self.answer(&format!("reading blob {name}"), &error);
                match answer.verdict {
                    Outcome::Absent => Ok(None),
                    Outcome::Denied => Err(Error::Denied(answer.text)),
                    Outcome::Refused | Outcome::Unclear => Err(Error::Unavailable(answer.text)),
                }
            }
        }
    }

    async fn remove_once(&self, name: &str) -> Result<(), Error> {
        let remove = self.reader.delete_object().bucket(&self.bucket).key(self.key(name));
        let Err(error) = remove.send().await else { return Ok(()) };
        let answer = self.answer(&format!("removing blob {name}"), &error);
        match answer.verdict {
            Outcome::Absent => Ok(()),
            Outcome::Denied => Err(Error::Denied(answer.text)),
            Outcome::Refused | Outcome::Unclear => Err(Error::Unavailable(answer.text)),
        }
    }

    async fn put_once(&self, name: &str, bytes: Bytes, condition: Condition) -> PutOutcome {
        let put = self
            .writer
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(name))
            .body(ByteStream::from(bytes));
        let put = match condition {
            Condition::Absent => put.if_none_match("*"),
            // Unquoted, contrary to the grammar of HTTP. AWS accepts both forms. Some stores compare the header
            // literally with their unquoted ETag, and no store is known to require quotes.
            Condition::Matches(etag) => put.if_match(etag.as_str()),
        };
        let put = if name.ends_with(".json") { put.content_type("application/json") } else { put };
        let doing = format!("writing blob {name}");
        match put.send().await {
            Ok(output) => match output.e_tag().and_then(etag_of) {
                Some(etag) => PutOutcome::Applied(etag),
                None => PutOutcome::Unknown(format!(
                    "{doing} in bucket {}: the response has no ETag",
                    self.bucket
                )),
            },
            Err(error) => {
                let answer = self.answer(&doing, &error);
                match answer.verdict {
                    // There is no blob that could match; some stores report a failed match the same way.
                    Outcome::Refused | Outcome::Absent => PutOutcome::PreconditionFailed,
                    Outcome::Denied => PutOutcome::Rejected(answer.text),
                    Outcome::Unclear => PutOutcome::Unknown(answer.text),
                }
            }
        }
    }
}

#[async_trait]
impl Store for S3 {
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let get = timeout(self.request_timeout, self.get_once(name));
        let no_answer = || Error::Unavailable(self.no_answer(&format!("reading blob {name}")));
        get.await.unwrap_or_else(|_| Err(no_answer()))
    }

    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> PutOutcome {
        let put = timeout(self.request_timeout, self.put_once(name, bytes, condition));
        let no_answer = || PutOutcome::Unknown(self.no_answer(&format!("writing blob {name}")));
        put.await.unwrap_or_else(|_| no_answer())
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        let remove = timeout(self.request_timeout, self.remove_once(name));
        let no_answer = || Error::Unavailable(self.no_answer(&format!("removing blob {name}")));
        remove.await.unwrap_or_else(|_| Err(no_answer()))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let list = timeout(self.request_timeout, listing::list(self, prefix, after, limit));
        let no_answer = || Error::Unavailable(self.no_answer(&format!("listing {prefix}")));
        list.await.unwrap_or_else(|_| Err(no_answer()))
    }
}

/// Returns the ETag without quotes and without the weak prefix that a recompressing proxy adds.
fn etag_of(header: &str) -> Option<ETag> {
    let text = header.trim();
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    (!text.is_empty()).then(|| ETag::new(text))
}

/// Formats an error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Some errors include their cause in their own text.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
