//! The store on S3, or on what speaks like it.
//!
//! One blob is one S3 object under the configured prefix, and one write is one PUT under `If-None-Match: *` or
//! `If-Match`. The SDK never sends a write twice: its second attempt would meet the first one's success and call it
//! refused. Reads and removals are tried again, a little. What an answer means is decided in [`verdict`], and nowhere
//! else. Whether the store enforces conditions at all is not known here: [`super::probe`] asks.

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
use tokio::time::timeout;

use super::{Blob, Condition, ETag, Error, Page, Put, Store};

mod endpoint;
mod listing;
mod surroundings;
mod verdict;

use endpoint::OneBucket;
use verdict::{Answer, Verdict};

/// Establishing a connection takes no longer, or not at all.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(2);
/// How often one read is sent. What lasts longer is the caller's to repeat.
const READ_ATTEMPT_COUNT_MAX: u32 = 3;
const READ_PAUSE_MIN: Duration = Duration::from_millis(50);
/// No blob of ours is larger; the largest are components.
const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Where the blobs are.
#[derive(Debug, Clone)]
pub struct Options {
    /// The bucket, which must exist.
    pub bucket: String,
    /// What all names begin with, as one or more folders; may be empty.
    pub prefix: String,
    /// Another address than that of AWS.
    pub endpoint: Option<String>,
    /// The region, where the SDK does not find it by itself.
    pub region: Option<String>,
    /// Whether the bucket is named in the path, and not in the host's name.
    pub path_style: bool,
    /// After which a request is given up, with all its attempts.
    pub request_timeout: Duration,
}

/// Who signs requests, and with what.
#[derive(Clone)]
pub struct AccessKey {
    /// Its public half.
    pub id: String,
    /// Its secret half.
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why no store can be made of the options. The bucket is not asked here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The bucket's name is none.
    #[error("{0:?} is not the name of a bucket: 3 to 63 of a-z, 0-9, - and .")]
    Bucket(String),
    /// The prefix cannot be part of a name.
    #[error(
        "the prefix {0:?} is not valid: at most 256 printable characters of ASCII, and no empty step"
    )]
    Prefix(String),
    /// The endpoint is no address.
    #[error("the endpoint {0:?} is not an address; it looks like https://host:port")]
    Endpoint(String),
    /// There is no region.
    #[error(
        "no region is configured, and AWS_REGION and the AWS profile name none: set one of them"
    )]
    Region,
    /// There are no credentials.
    #[error(
        "no credentials for bucket {bucket}: {reason}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, an AWS \
             profile, or a role of this machine"
    )]
    Credentials {
        /// For which bucket.
        bucket: String,
        /// What the SDK says.
        reason: String,
    },
}

/// Blobs in a bucket.
pub struct S3 {
    /// Sends each request once.
    writer: Client,
    /// Sends a request again where it failed for the moment.
    reader: Client,
    bucket: String,
    /// Empty, or with a slash at the end.
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
    /// A store on a bucket. Credentials and what is not in the options are looked for where the SDK looks: in the
    /// environment, the AWS profile, and the metadata of the machine.
    ///
    /// # Errors
    /// See [`ConnectError`]: the options or the surroundings must be changed.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn connect(options: Options) -> Result<Self, ConnectError> {
        Self::connect_as(options, None).await
    }

    /// As [`S3::connect`], with an access key that the caller has from elsewhere, as tests have it.
    ///
    /// # Errors
    /// As [`S3::connect`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn connect_with_key(options: Options, key: AccessKey) -> Result<Self, ConnectError> {
        Self::connect_as(options, Some(key)).await
    }

    async fn connect_as(options: Options, key: Option<AccessKey>) -> Result<Self, ConnectError> {
        let prefix = surroundings::checked_prefix(&options)?;
        let config = surroundings::config(&options, key).await?;
        // Asked here, so that their lack is told at the start and not by the first write.
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
            // Small bodies are hashed for the signature, which the store verifies: a checksum beside it, in a trailer
            // that not every store understands, protects nothing more. Checksums of answers are compared where given.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenSupported);
        let (connect_timeout, total) =
            (options.request_timeout.min(CONNECT_TIMEOUT_MAX), options.request_timeout);
        let timeouts = TimeoutConfig::builder().connect_timeout(connect_timeout);
        // One attempt that gets no answer must leave time for another.
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
        format!("{doing} in bucket {}: no answer within {seconds} s", self.bucket)
    }

    /// What an error of the SDK says about the request.
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

    /// The whole body, or why there is none.
    async fn read(&self, name: &str, output: GetObjectOutput) -> Result<Blob, Error> {
        let unavailable = |what: &str| {
            Error::Unavailable(format!("blob {name} in bucket {}: {what}", self.bucket))
        };
        let etag = output.e_tag().and_then(etag_of);
        let etag = etag.ok_or_else(|| unavailable("the answer has no ETag"))?;
        let expected = output.content_length().and_then(|length| usize::try_from(length).ok());
        let mut bytes = BytesMut::with_capacity(expected.unwrap_or_default().min(BLOB_BYTES_MAX));
        let mut body = output.body;
        while let Some(part) = body.next().await {
            let part = part
                .map_err(|error| unavailable(&format!("the body broke off: {}", chain(&error))))?;
            if bytes.len() + part.len() > BLOB_BYTES_MAX {
                let bucket = &self.bucket;
                let text = format!(
                    "blob {name} in bucket {bucket} has more than {BLOB_BYTES_MAX} bytes: it is not ours"
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
                    Verdict::Absent => Ok(None),
                    Verdict::Denied => Err(Error::Denied(answer.text)),
                    Verdict::Refused | Verdict::Unclear => Err(Error::Unavailable(answer.text)),
                }
            }
        }
    }

    async fn remove_once(&self, name: &str) -> Result<(), Error> {
        let remove = self.reader.delete_object().bucket(&self.bucket).key(self.key(name));
        let Err(error) = remove.send().await else { return Ok(()) };
        let answer = self.answer(&format!("removing blob {name}"), &error);
        match answer.verdict {
            Verdict::Absent => Ok(()),
            Verdict::Denied => Err(Error::Denied(answer.text)),
            Verdict::Refused | Verdict::Unclear => Err(Error::Unavailable(answer.text)),
        }
    }

    async fn put_once(&self, name: &str, bytes: Bytes, condition: Condition) -> Put {
        let put = self
            .writer
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(name))
            .body(ByteStream::from(bytes));
        let put = match condition {
            Condition::Absent => put.if_none_match("*"),
            // Without quotes, against the grammar of HTTP: AWS takes both, and some stores compare the text as it is
            // with what they keep, which is without. None was found that insists on quotes.
            Condition::Matches(etag) => put.if_match(etag.as_str()),
        };
        let put = if name.ends_with(".json") { put.content_type("application/json") } else { put };
        let doing = format!("writing blob {name}");
        match put.send().await {
            Ok(output) => match output.e_tag().and_then(etag_of) {
                Some(etag) => Put::Applied(etag),
                None => Put::Undecided(format!(
                    "{doing} in bucket {}: the answer has no ETag",
                    self.bucket
                )),
            },
            Err(error) => {
                let answer = self.answer(&doing, &error);
                match answer.verdict {
                    // There is nothing that could match, or, as some stores say it, nothing that does.
                    Verdict::Refused | Verdict::Absent => Put::Refused,
                    Verdict::Denied => Put::Denied(answer.text),
                    Verdict::Unclear => Put::Undecided(answer.text),
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

    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> Put {
        let put = timeout(self.request_timeout, self.put_once(name, bytes, condition));
        let no_answer = || Put::Undecided(self.no_answer(&format!("writing blob {name}")));
        put.await.unwrap_or_else(|_| no_answer())
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
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

/// What the store calls a content, without the quotes around it and without the mark of a proxy that recompressed it.
fn etag_of(header: &str) -> Option<ETag> {
    let text = header.trim();
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    (!text.is_empty()).then(|| ETag::new(text))
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Some errors repeat their cause in their own text.
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
