//! Records of the types as this node read them last. Each content of a record is decoded once, however many readers
//! there are, and a large one off the threads that serve requests.
//!
//! Invariant: a reader gets what the store held after the reader had asked. Readers that wait for each other share the
//! next read, and its error.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use highlander_core::catalog::record::{self, TypeRecord};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::TypeName;
use highlander_core::store::{Blob, ETag};
use parking_lot::Mutex;

use super::keyed_mutex::KeyedMutex;
use super::{Catalog, unavailable};

/// Size of a record from which it is decoded off the threads that serve requests. Below, a hand-over costs more.
const LARGE_BYTES: usize = 32 * 1024;

/// Number of kept types from which failed reads of types without a known content are forgotten.
const TYPES_MAX: usize = 1024;

/// Content of a record: decoded, or the reason why it cannot be.
type Decoded = Result<Arc<TypeRecord>, Arc<str>>;

/// Records of all types, as they were read last.
#[derive(Debug, Default)]
pub(super) struct Records {
    types: Mutex<HashMap<Box<str>, LastRead>>,
    names: tokio::sync::Mutex<Option<Numbered<Arc<[TypeName]>>>>,
    reading: KeyedMutex,
    /// Number of the newest read.
    reads: AtomicU64,
    decoded_count: AtomicU64,
}

/// Result of a read, with the number of the read.
#[derive(Debug, Clone)]
struct Numbered<T> {
    number: u64,
    result: Result<T, Error>,
}

/// Last read of one record, and its last content. The content outlives a failed read.
#[derive(Debug, Clone)]
struct LastRead {
    read: Numbered<Presence>,
    content: Option<(ETag, Decoded)>,
}

/// Whether the record exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Found,
    Missing,
}

/// One type in a list.
#[derive(Debug, Clone)]
pub struct ListedType {
    /// Name of the type.
    pub name: TypeName,
    /// Its record and the ETag of that content, or the reason why the record cannot be used.
    pub record: Result<(Arc<TypeRecord>, ETag), String>,
}

impl Catalog {
    /// Reads the types that `may_see` selects, including removed ones. Nothing of the other types is read. The record
    /// of a type that this node uses is taken from memory: the registry reports its changes.
    ///
    /// # Errors
    /// If the store fails. An unusable record does not hide the others.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn listed(
        &self,
        may_see: impl Fn(&TypeName) -> bool,
    ) -> Result<Vec<ListedType>, Error> {
        let names = self.names().await?;
        let visible: Vec<_> = names.iter().filter(|name| may_see(name)).cloned().collect();
        let mut listed = Vec::with_capacity(visible.len());
        for name in visible {
            let invalidations = self.invalidations.load(Ordering::SeqCst);
            let known = self.find(name.as_str()).filter(|known| known.generation == invalidations);
            let record = match known {
                Some(known) => Ok((Arc::clone(&known.record), known.etag.clone())),
                None => match self.read(name.as_str()).await {
                    Ok(Some(found)) => Ok(found),
                    Ok(None) => continue,
                    Err(error) if error.code == ErrorCode::RecordDamaged => Err(error.message),
                    Err(error) => return Err(error),
                },
            };
            listed.push(ListedType { name, record });
        }
        Ok(listed)
    }

    /// Returns the number of times that a record was decoded.
    #[must_use]
    pub fn decoded_count(&self) -> u64 {
        self.records.decoded_count.load(Ordering::Relaxed)
    }

    /// Returns the names of all types that have a record, in order.
    async fn names(&self) -> Result<Arc<[TypeName]>, Error> {
        let asked = self.records.reads.load(Ordering::SeqCst);
        let mut last = self.records.names.lock().await;
        if let Some(read) = last.as_ref().filter(|read| read.number > asked) {
            return read.result.clone();
        }
        let number = self.records.begin();
        let result = self.type_names().await.map(Arc::from);
        *last = Some(Numbered { number, result: result.clone() });
        result
    }

    /// Reads the record of a type, with its ETag.
    ///
    /// # Errors
    /// [`ErrorCode::RecordDamaged`]; other codes if the store fails.
    pub(super) async fn read(
        &self,
        type_name: &str,
    ) -> Result<Option<(Arc<TypeRecord>, ETag)>, Error> {
        let asked = self.records.reads.load(Ordering::SeqCst);
        let _turn = self.records.reading.take(type_name).await;
        let last = self.records.types.lock().get(type_name).cloned();
        if let Some(last) = last.as_ref().filter(|last| last.read.number > asked) {
            return last.outcome(type_name);
        }
        let number = self.records.begin();
        let got = self.store.get(&record::type_blob(type_name)).await;
        let known = last.and_then(|last| last.content);
        let (result, content) = match got {
            Err(error) => (Err(unavailable(&error)), known),
            Ok(None) => (Ok(Presence::Missing), None),
            Ok(Some(blob)) => {
                let content = match known.filter(|(etag, _)| *etag == blob.etag) {
                    Some(known) => known,
                    None => self.records.decode(type_name, blob).await?,
                };
                (Ok(Presence::Found), Some(content))
            }
        };
        let last = LastRead { read: Numbered { number, result }, content };
        let outcome = last.outcome(type_name);
        self.records.keep(type_name, last);
        outcome
    }
}

impl Records {
    /// Returns the number of a read that begins now.
    fn begin(&self) -> u64 {
        self.reads.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether no read of a type with this name is kept.
    #[cfg(test)]
    pub(super) fn is_unknown(&self, type_name: &str) -> bool {
        !self.types.lock().contains_key(type_name)
    }

    /// Keeps the result of a read. Names that clients make up must not fill the memory.
    fn keep(&self, type_name: &str, last: LastRead) {
        let mut types = self.types.lock();
        if last.content.is_none() && types.len() >= TYPES_MAX {
            types.retain(|_, known| known.content.is_some());
        }
        match last.read.result {
            Ok(Presence::Missing) => drop(types.remove(type_name)),
            _ => drop(types.insert(type_name.into(), last)),
        }
    }

    async fn decode(&self, type_name: &str, blob: Blob) -> Result<(ETag, Decoded), Error> {
        self.decoded_count.fetch_add(1, Ordering::Relaxed);
        let Blob { bytes, etag } = blob;
        let name = type_name.to_owned();
        let decode = move |bytes: Bytes| TypeRecord::decode(&name, &bytes);
        let decoded = if bytes.len() < LARGE_BYTES {
            decode(bytes)
        } else {
            let decoding = tokio::task::spawn_blocking(move || decode(bytes));
            decoding.await.map_err(|_| {
                let text = format!("the record of the type {type_name} could not be decoded");
                Error::new(ErrorCode::Internal, text)
            })?
        };
        if let Err(why) = &decoded {
            tracing::error!(type_name, "the type's record was rejected and left unchanged: {why}");
        }
        Ok((etag, decoded.map(Arc::new).map_err(Arc::from)))
    }
}

impl LastRead {
    fn outcome(&self, type_name: &str) -> Result<Option<(Arc<TypeRecord>, ETag)>, Error> {
        let presence = self.read.result.clone()?;
        match &self.content {
            Some((etag, decoded)) if presence == Presence::Found => {
                let record = decoded.clone().map_err(|why| {
                    let text = format!("the record of the type {type_name} is damaged: {why}");
                    Error::new(ErrorCode::RecordDamaged, text)
                })?;
                Ok(Some((record, etag.clone())))
            }
            _ => Ok(None),
        }
    }
}
