//! Large documents that many requests share: each is built once for each content, off the threads that serve requests,
//! and kept in memory while there is room.
//!
//! One document is built at a time. Requests for the same document wait for the same build, which continues if they
//! all leave.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::Digest;
use http::HeaderValue;
use parking_lot::Mutex;
use prometheus::IntCounter;
use tokio::sync::Semaphore;

/// Maximum size of all kept documents. The document used last is kept even if it is larger.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Maximum number of kept documents.
const COUNT_MAX: usize = 256;

/// A document, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// JSON text.
    pub(super) json: Bytes,
    /// Entity tag: a hash of the text.
    pub(super) tag: HeaderValue,
}

/// Identity of a document's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(Digest);

/// A build: in progress, or completed. `None` if it failed.
type Build = Shared<BoxFuture<'static, Option<Document>>>;

/// Documents in memory.
pub(super) struct Documents {
    kept: Mutex<Kept>,
    /// Permit of the only build.
    builder: Arc<Semaphore>,
    built: IntCounter,
    bytes_max: usize,
}

#[derive(Default)]
struct Kept {
    builds: HashMap<Key, (Build, u64)>,
    /// Number of uses so far, by which the document that was unused for longest is found.
    uses: u64,
}

impl Key {
    /// Returns the key of the document of this kind with these parts, which determine its content.
    pub(super) fn of<'a>(kind: &'a str, parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        for part in std::iter::once(kind).chain(parts) {
            // The length keeps parts apart, whatever they contain.
            text.push_str(&format!("{}:{part}", part.len()));
        }
        Self(Digest::of(text.as_bytes()))
    }
}

impl Document {
    /// Hashes the text. For a large document this takes long.
    fn new(json: Bytes) -> Self {
        Self { tag: tag_of(&json), json }
    }
}

/// Returns the entity tag of a content: a hash of it.
pub(super) fn tag_of(content: &[u8]) -> HeaderValue {
    let digest = Digest::of(content).to_string();
    let short = digest.get(..32).unwrap_or(&digest);
    HeaderValue::try_from(format!("\"{short}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

impl Documents {
    /// Creates an empty memory, which counts its builds.
    pub(super) fn new(built: IntCounter) -> Self {
        let builder = Arc::new(Semaphore::new(1));
        Self { kept: Mutex::default(), builder, built, bytes_max: BYTES_MAX }
    }

    /// Returns the document with this key. If it is not in memory, `build` returns its text.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] if `build` panics.
    ///
    /// # Cancel safety
    /// The build continues.
    pub(super) async fn get(
        &self,
        key: Key,
        build: impl FnOnce() -> Bytes + Send + 'static,
    ) -> Result<Document, Error> {
        let building = self.kept.lock().find(key, || self.start(build));
        let built = building.await;
        let mut kept = self.kept.lock();
        match built {
            Some(document) => {
                kept.shrink(key, self.bytes_max);
                Ok(document)
            }
            None => {
                kept.builds.remove(&key);
                Err(Error::new(ErrorCode::Internal, "the document could not be built"))
            }
        }
    }

    fn start(&self, build: impl FnOnce() -> Bytes + Send + 'static) -> Build {
        let (builder, built) = (Arc::clone(&self.builder), self.built.clone());
        let task = tokio::spawn(async move {
            let permit = builder.acquire_owned().await.ok()?;
            built.inc();
            let building = tokio::task::spawn_blocking(move || {
                let document = Document::new(build());
                drop(permit);
                document
            });
            building.await.ok()
        });
        task.map(|document| document.ok().flatten()).boxed().shared()
    }
}

impl Kept {
    fn find(&mut self, key: Key, start: impl FnOnce() -> Build) -> Build {
        self.uses += 1;
        let uses = self.uses;
        let (build, used) = self.builds.entry(key).or_insert_with(|| (start(), uses));
        *used = uses;
        build.clone()
    }

    /// Removes the documents that were unused for longest, until the others fit. Keeps the document `present`, and
    /// builds in progress.
    fn shrink(&mut self, present: Key, bytes_max: usize) {
        let size =
            |build: &Build| build.peek().map(|built| built.as_ref().map_or(0, Document::len));
        let total = |builds: &HashMap<Key, (Build, u64)>| -> usize {
            builds.values().filter_map(|(build, _)| size(build)).sum()
        };
        while self.builds.len() > COUNT_MAX || total(&self.builds) > bytes_max {
            let others = self.builds.iter().filter(|(key, _)| **key != present);
            let completed = others.filter(|(_, (build, _))| size(build).is_some());
            let Some(oldest) = completed.min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key)
            else {
                return;
            };
            self.builds.remove(&oldest);
        }
    }
}

impl Document {
    fn len(&self) -> usize {
        self.json.len()
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.kept.lock().builds.len();
        f.debug_struct("Documents").field("kept", &count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    fn documents() -> Documents {
        let built = IntCounter::new("built", "built").unwrap();
        Documents { bytes_max: 1000, ..Documents::new(built) }
    }

    fn key(name: &str) -> Key {
        Key::of("test", [name])
    }

    async fn get(documents: &Documents, name: &str, size: usize) -> Document {
        documents.get(key(name), move || vec![b'1'; size].into()).await.unwrap()
    }

    #[test]
    fn keys_differ_if_any_part_differs() {
        let keys = [
            Key::of("a", []),
            Key::of("a", [""]),
            Key::of("a", ["b"]),
            Key::of("ab", []),
            Key::of("a", ["b", "c"]),
            Key::of("a", ["bc"]),
            Key::of("a", ["c", "b"]),
            Key::of("a", ["b1:c"]),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[tokio::test]
    async fn requests_at_the_same_time_share_one_build() {
        let documents = documents();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let first = documents.get(key("a"), move || {
            let _ = released.recv();
            Bytes::from_static(b"[]")
        });
        let others = (0..30).map(|_| documents.get(key("a"), || unreachable!("it is being built")));
        let mut first = Box::pin(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut others = Box::pin(join_all(others));
        assert!(futures_util::poll!(&mut others).is_pending());
        drop(first);
        release.send(()).unwrap();
        let all: Vec<_> = others.await.into_iter().map(Result::unwrap).collect();
        assert!(all.iter().all(|document| document.json == "[]" && document.tag == all[0].tag));
        assert_eq!(documents.built.get(), 1, "the client that left takes nothing along");
    }

    #[tokio::test]
    async fn documents_are_built_one_at_a_time() {
        let documents = documents();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let slow = documents.get(key("slow"), move || {
            let _ = released.recv();
            Bytes::from_static(b"1")
        });
        let other = documents.get(key("other"), || Bytes::from_static(b"2"));
        let (mut slow, mut other) = (Box::pin(slow), Box::pin(other));
        assert!(futures_util::poll!(&mut slow).is_pending());
        while documents.built.get() < 1 {
            tokio::task::yield_now().await;
        }
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut other).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(documents.built.get(), 1);
        release.send(()).unwrap();
        assert_eq!((slow.await.unwrap().json, other.await.unwrap().json), ("1".into(), "2".into()));
    }

    #[tokio::test]
    async fn a_document_is_kept_until_others_need_the_room() {
        let documents = documents();
        let half = documents.bytes_max / 2;
        let (first, second) =
            (get(&documents, "a", half).await, get(&documents, "b", half - 1).await);
        assert_ne!(first.tag, second.tag);
        assert_eq!(get(&documents, "a", 0).await.json.len(), half, "it is in memory");
        get(&documents, "c", 2).await;
        assert_eq!(documents.built.get(), 3);
        get(&documents, "a", half).await;
        assert_eq!(documents.built.get(), 3, "it was used after b");
        get(&documents, "b", half - 1).await;
        assert_eq!(documents.built.get(), 4, "b was removed");
        get(&documents, "large", 1001).await;
        get(&documents, "large", 0).await;
        assert_eq!(documents.built.get(), 5);
        assert_eq!(documents.kept.lock().builds.len(), 1, "the large document alone is kept");
        for name in 0..=COUNT_MAX + 1 {
            get(&documents, &name.to_string(), 1).await;
        }
        assert_eq!(documents.kept.lock().builds.len(), COUNT_MAX);
    }

    #[tokio::test]
    async fn a_build_that_fails_is_an_error_and_is_tried_again() {
        let documents = documents();
        let failed = documents.get(key("a"), || panic!("the build of a test fails")).await;
        assert_eq!(failed.unwrap_err().code, ErrorCode::Internal);
        assert_eq!(get(&documents, "a", 3).await.json, "111");
    }
}
