//! The S3 operations of the server, on top of its blobs.
//!
//! Requests arrive here verified and parsed. A [`Fate`] holds the faults of a request; `connections` applies those
//! that affect only the response in transit.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, EncodingType, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput,
    StreamingBlob,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use crate::Options;
use crate::blobs::{Blobs, Condition, Refusal, Write};
use crate::faults::{Fate, Fault, Faults};

/// Maximum size of a blob.
const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Maximum and default number of keys in a page.
const PAGE_KEYS_MAX: usize = 1000;
/// Characters that stay unencoded in a percent-encoded listing.
const LISTED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Service for the blobs of one bucket.
#[derive(Debug)]
pub(crate) struct Service {
    bucket: String,
    blobs: Arc<Blobs>,
    faults: Faults,
}

impl Service {
    pub(crate) fn new(bucket: &str, blobs: Arc<Blobs>, faults: Faults) -> Self {
        Self { bucket: bucket.to_owned(), blobs, faults }
    }

    /// Wraps the service with the request parser and the signature check.
    pub(crate) fn signed(self, options: &Options) -> S3Service {
        let mut builder = S3ServiceBuilder::new(self);
        builder.set_auth(SimpleAuth::from_single(&*options.access_key, &*options.secret_key));
        builder.build()
    }

    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if bucket == self.bucket {
            Ok(())
        } else {
            Err(s3_error!(NoSuchBucket, "no bucket {bucket}"))
        }
    }

    fn condition(&self, request: &S3Request<PutObjectInput>) -> S3Result<Condition> {
        let PutObjectInput { if_match, if_none_match, .. } = &request.input;
        let quirks = self.faults.quirks();
        let condition = match (if_match, if_none_match) {
            (None, None) if quirks.requires_conditions => {
                return Err(s3_error!(AccessDenied, "the bucket accepts only conditional writes"));
            }
            (None, None) => Condition::None,
            (None, Some(ETagCondition::Any)) => Condition::Absent,
            (Some(ETagCondition::Any), None) => Condition::Present,
            (Some(ETagCondition::ETag(ETag::Strong(etag))), None) => {
                Condition::Matches(etag.clone())
            }
            _ => return Err(s3_error!(NotImplemented, "S3 does not support this condition")),
        };
        let is_quoted =
            request.headers.get("if-match").is_some_and(|value| value.as_bytes().contains(&b'"'));
        Ok(match condition {
            Condition::Absent if quirks.ignores_if_none_match => Condition::None,
            Condition::Matches(_) if quirks.ignores_if_match => Condition::None,
            Condition::Matches(etag) if quirks.wants_unquoted_etags && is_quoted => {
                Condition::Matches(format!("\"{etag}\""))
            }
            condition => condition,
        })
    }

    fn refusal(&self, refusal: Refusal, key: &str) -> S3Error {
        let quirks = self.faults.quirks();
        match refusal {
            Refusal::Mismatch if quirks.answers_mismatch_with_404 => s3_error!(NoSuchKey),
            Refusal::Absent if !quirks.answers_absent_with_412 => s3_error!(NoSuchKey),
            Refusal::Mismatch | Refusal::Absent => {
                s3_error!(PreconditionFailed, "the condition does not hold for {key}")
            }
            Refusal::LostRace => s3_error!(InternalError, "another write came first"),
            Refusal::Stopping => s3_error!(ServiceUnavailable, "the server is stopping"),
            Refusal::File(error) => s3_error!(error, InternalError, "cannot write {key}"),
        }
    }
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.check_bucket(&request.input.bucket)?;
        let condition = self.condition(&request)?;
        let bytes = read_body(request.input.body.take()).await?;
        if let Some(digest) = &request.input.content_md5
            && *digest != STANDARD.encode(Md5::digest(&bytes))
        {
            return Err(s3_error!(BadDigest));
        }
        let fate = fate(&request);
        let key = request.input.key;
        let write = Write { key: key.clone(), bytes, condition, fate };
        let etag = self.blobs.put(write).await.map_err(|refusal| self.refusal(refusal, &key))?;
        let e_tag = (!self.faults.quirks().omits_etags).then_some(ETag::Strong(etag));
        Ok(S3Response::new(PutObjectOutput { e_tag, ..PutObjectOutput::default() }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let fate = fate(&request);
        let input = request.input;
        self.check_bucket(&input.bucket)?;
        let is_stale = fate.fault == Some(Fault::Stale);
        let read = self.blobs.get(&input.key, is_stale).await;
        let read =
            read.map_err(|error| s3_error!(error, InternalError, "cannot read {}", input.key));
        let (version, bytes) = read?.ok_or_else(|| s3_error!(NoSuchKey))?;
        let mut bytes = damage(bytes, &fate);
        let mut content_range = None;
        if let Some(range) = input.range {
            let size = bytes.len() as u64;
            let part = range.check(size)?;
            content_range =
                Some(format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1)));
            bytes = bytes.slice(in_memory(part.start)..in_memory(part.end));
        }
        let output = GetObjectOutput {
            content_length: Some(bytes.len().try_into().unwrap_or_default()),
            content_range,
            e_tag: Some(ETag::Strong(version.etag)),
            last_modified: Some(version.modified.into()),
            body: Some(StreamingBlob::from(Body::from(bytes))),
            ..GetObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let is_stale = fate(&request).fault == Some(Fault::Stale);
        let input = request.input;
        self.check_bucket(&input.bucket)?;
        let version =
            self.blobs.version(&input.key, is_stale).ok_or_else(|| s3_error!(NoSuchKey))?;
        let output = HeadObjectOutput {
            content_length: Some(version.size.try_into().unwrap_or_default()),
            e_tag: Some(ETag::Strong(version.etag)),
            last_modified: Some(version.modified.into()),
            ..HeadObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.check_bucket(&request.input.bucket)?;
        let deleted = self.blobs.delete(request.input.key).await;
        deleted.map_err(|error| s3_error!(error, InternalError, "cannot delete the blob"))?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.check_bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.check_bucket(&input.bucket)?;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "delimiters are not supported"));
        }
        let quirks = self.faults.quirks();
        let prefix = input.prefix.as_deref().unwrap_or_default();
        // A continuation token is the last key of the previous page.
        let after = input.continuation_token.as_deref().or(input.start_after.as_deref());
        let limit = input.max_keys.and_then(|max| usize::try_from(max).ok());
        let limit = limit.unwrap_or(PAGE_KEYS_MAX).min(PAGE_KEYS_MAX);
        let mut found = self.blobs.list(prefix, after.unwrap_or_default(), limit + 1);
        let is_truncated = found.len() > limit;
        found.truncate(limit);
        let token = found.last().filter(|_| is_truncated).map(|(key, _)| key.clone());
        if quirks.lists_backwards {
            found.reverse();
        }
        let is_encoded = input.encoding_type.is_some() || quirks.encodes_listed_keys;
        let contents = found.into_iter().map(|(key, version)| Object {
            key: Some(if is_encoded { utf8_percent_encode(&key, LISTED).to_string() } else { key }),
            e_tag: Some(ETag::Strong(version.etag)),
            size: Some(version.size.try_into().unwrap_or_default()),
            last_modified: Some(version.modified.into()),
            ..Object::default()
        });
        let contents: Vec<_> = contents.collect();
        let output = ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            key_count: contents.len().try_into().ok(),
            max_keys: limit.try_into().ok(),
            is_truncated: Some(is_truncated),
            next_continuation_token: token,
            encoding_type: is_encoded.then(|| EncodingType::from_static(EncodingType::URL)),
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        };
        Ok(S3Response::new(output))
    }
}

fn fate<T>(request: &S3Request<T>) -> Fate {
    request.extensions.get().cloned().unwrap_or_default()
}

/// Reads a complete body, which also verifies its signature or checksum.
async fn read_body(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let mut bytes = BytesMut::new();
    let Some(mut body) = body else { return Ok(bytes.freeze()) };
    while let Some(part) = body.next().await {
        let part =
            part.map_err(|error| S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, error))?;
        if bytes.len() + part.len() > BLOB_BYTES_MAX {
            return Err(s3_error!(EntityTooLarge));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

/// Returns the damaged content of a read, according to the fault.
fn damage(bytes: Bytes, fate: &Fate) -> Bytes {
    match fate.fault {
        Some(Fault::Shorten(length)) => bytes.slice(..length.min(bytes.len())),
        Some(Fault::FlipBit(place)) => {
            let mut bytes = bytes.to_vec();
            let place = place % bytes.len().max(1);
            bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1);
            bytes.into()
        }
        _ => bytes,
    }
}

/// Converts a position within a blob, which always fits into memory.
fn in_memory(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}
