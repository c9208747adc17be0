//! Listings: combines pages of S3 into one page of the port, and verifies their order.
//!
//! The port guarantees names in byte order after a given one. AWS lists in this order, except in directory buckets.
//! A store with another order is rejected rather than sorted, because it also continues its listing in that order.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use highlander_core::store::{Error, Page};
use percent_encoding::percent_decode_str;

use super::S3;
use super::outcome::Outcome;

/// Maximum number of keys that S3 returns at once.
const PAGE_KEYS_MAX: usize = 1000;
/// Number of consecutive pages without a key after which the listing fails.
const EMPTY_PAGE_COUNT_MAX: usize = 100;

pub(super) async fn list(
    store: &S3,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page, Error> {
    let mut found = Found::new(store, prefix, after);
    let mut token = None;
    let mut empty_page_count = 0;
    loop {
        let wanted = limit.saturating_sub(found.names.len());
        if wanted == 0 {
            return Ok(Page { names: found.names, has_more: true });
        }
        let output = next_page(store, &found, token, wanted.min(PAGE_KEYS_MAX)).await?;
        let is_truncated = output.is_truncated() == Some(true);
        let has_surplus = found.take(&output, wanted)?;
        if !is_truncated || has_surplus {
            return Ok(Page { names: found.names, has_more: has_surplus });
        }
        empty_page_count = if output.contents().is_empty() { empty_page_count + 1 } else { 0 };
        if empty_page_count > EMPTY_PAGE_COUNT_MAX {
            return Err(Error::Unavailable(
                found.text("the listing continues without returning any names"),
            ));
        }
        token = output.next_continuation_token;
    }
}

async fn next_page(
    store: &S3,
    found: &Found<'_>,
    token: Option<String>,
    count: usize,
) -> Result<ListObjectsV2Output, Error> {
    // A continuation token has precedence; if the store sends none, the newest name is the position.
    let start_after = if token.is_none() { found.newest.clone() } else { None };
    let request = store
        .reader
        .list_objects_v2()
        .bucket(&store.bucket)
        .prefix(&found.prefix)
        .set_start_after(start_after)
        .set_continuation_token(token)
        .max_keys(i32::try_from(count).unwrap_or(i32::MAX));
    request.send().await.map_err(|error| {
        let answer = store.answer(&format!("listing {}", found.prefix), &error);
        match answer.verdict {
            Outcome::Denied => Error::Denied(answer.text),
            _ => Error::Unavailable(answer.text),
        }
    })
}

/// State of a listing.
struct Found<'a> {
    store: &'a S3,
    /// Listed prefix, including the store's own prefix.
    prefix: String,
    /// Key after which to continue.
    newest: Option<String>,
    names: Vec<String>,
}

impl<'a> Found<'a> {
    fn new(store: &'a S3, prefix: &str, after: Option<&str>) -> Self {
        let newest = after.map(|after| store.key(after));
        Self { store, prefix: store.key(prefix), newest, names: Vec::new() }
    }

    /// Adds the names of a page. Returns whether it had more than `wanted`.
    fn take(&mut self, page: &ListObjectsV2Output, wanted: usize) -> Result<bool, Error> {
        let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
        for object in page.contents().iter().take(wanted) {
            let key = object.key().unwrap_or_default();
            let key = if is_encoded {
                percent_decode_str(key).decode_utf8_lossy().into_owned()
            } else {
                key.to_owned()
            };
            let Some(name) =
                key.strip_prefix(&self.store.prefix).filter(|_| key.starts_with(&self.prefix))
            else {
                return Err(Error::Denied(self.text(&format!(
                    "the store lists {key:?}, which does not start with this prefix; it may encode keys without \
                     declaring it"
                ))));
            };
            if self.newest.as_ref().is_some_and(|newest| key <= *newest) {
                return Err(Error::Denied(self.text(&format!(
                    "the store lists {key:?} out of order; stores with unordered listings, such as directory buckets, \
                     are not supported"
                ))));
            }
            self.names.push(name.to_owned());
            self.newest = Some(key);
        }
        Ok(page.contents().len() > wanted)
    }

    fn text(&self, what: &str) -> String {
        format!("listing {} in bucket {}: {what}", self.prefix, self.store.bucket)
    }
}
