//! Listings: pages of S3 put together to one of ours, and checked.
//!
//! The port promises names in the order of their bytes, after a given one. AWS keeps that, but for directory buckets;
//! a store that does not is refused rather than sorted, because its order is also the order in which it goes on.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

use super::super::{Error, Page};
use super::S3;
use super::verdict::Verdict;

/// The most keys that S3 gives at once.
const PAGE_KEYS_MAX: usize = 1000;
/// Pages without a key in a row, after which a store is not believed.
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
                found.text("the listing goes on for ever without a name"),
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
    // A token says where to go on; where a store gives none, the newest name does.
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
            Verdict::Denied => Error::Denied(answer.text),
            _ => Error::Unavailable(answer.text),
        }
    })
}

/// What was listed until now.
struct Found<'a> {
    store: &'a S3,
    /// With the prefix of the store.
    prefix: String,
    /// The key after which to go on.
    newest: Option<String>,
    names: Vec<String>,
}

impl<'a> Found<'a> {
    fn new(store: &'a S3, prefix: &str, after: Option<&str>) -> Self {
        let newest = after.map(|after| store.key(after));
        Self { store, prefix: store.key(prefix), newest, names: Vec::new() }
    }

    /// Adds the names of a page, and whether there were more than wanted.
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
                    "the store lists {key:?}, which does not begin so; it may encode keys without saying so"
                ))));
            };
            if self.newest.as_ref().is_some_and(|newest| key <= *newest) {
                return Err(Error::Denied(self.text(&format!(
                    "the store lists {key:?} out of order; a store that lists without order, as directory buckets do, \
                     cannot be used"
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
