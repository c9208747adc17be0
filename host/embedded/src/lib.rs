//! The store of a single node: a directory on its disk.
//!
//! A write is answered after its fsync, and a read never returns an unsynced write: the database shows a write only
//! once its journal is on disk. If the disk fails during a write, it is unknown what a restart will find. The store
//! then answers "undecided", rejects further writes until it is reopened, and continues to serve reads. When it is
//! reopened, every answered write is present, or the store refuses to open ([`recovery`]).
//!
//! A directory is open in at most one process. `docs/formats.md` describes its content;
//! `docs/decisions/embedded-store.md` explains the choice of fjall.

mod database;
mod directory;
mod error;
mod journal;
mod last_answered;
mod manifest;
mod recovery;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::store::{Blob, Condition, Error, Page, PutOutcome, Store};
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::database::Database;
pub use self::error::OpenError;
use self::writer::{Change, Write};

/// Capacity of the queue to the writer thread. Further writes wait in their callers.
const WAITING_MAX: usize = 1024;
/// Maximum number of concurrent disk reads; more would only add threads.
const READING_MAX: usize = 16;
/// Largest blob: a component.
const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest name.
const NAME_BYTES_MAX: usize = 1024;

/// Store in a directory. Dropping it writes everything that was accepted and then unlocks the directory.
pub struct Embedded {
    path: PathBuf,
    database: Arc<Database>,
    reading: Arc<Semaphore>,
    /// `None` only during drop.
    queue: Option<mpsc::Sender<Write>>,
    writer: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Opens the store in the directory `path`, which is created if it does not exist. Blocks, which is acceptable
    /// at startup.
    ///
    /// # Errors
    /// See [`OpenError`]. A directory with other content is left unchanged.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = directory::open(path)?;
        let (database, newest_etag) = recovery::open(path, lock)?;
        let database = Arc::new(database);
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let disk = Arc::clone(&database);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(&*disk, newest_etag, waiting))
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        Ok(Self {
            path: path.to_owned(),
            database,
            reading: Arc::new(Semaphore::new(READING_MAX)),
            queue: Some(queue),
            writer: Some(writer),
        })
    }

    async fn write(&self, name: &str, change: Change) -> PutOutcome {
        let (answer, answered) = oneshot::channel();
        let write = Write { name: name.to_owned(), change, answer };
        let stopped =
            || PutOutcome::Unknown("the store's writer has stopped: restart the node".to_owned());
        let Some(queue) = &self.queue else { return stopped() };
        if queue.send(write).await.is_err() {
            return stopped();
        }
        answered.await.unwrap_or_else(|_| stopped())
    }

    /// Reads on a blocking thread. If the content is cached, this costs 20 µs more than reading in place, once per
    /// activation. If it is not, a read in place would block all other objects of the thread.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, database::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.reading).acquire_owned().await;
        let database = Arc::clone(&self.database);
        let reading = tokio::task::spawn_blocking(move || {
            let found = work(&database);
            // Dropped before the answer, so that a store that is dropped after its last answer unlocks the
            // directory at once.
            drop(database);
            drop(permit);
            found
        });
        match reading.await {
            Ok(Err(error @ database::Error::Damaged { .. })) => {
                tracing::error!("the embedded store cannot read its data: {error}");
                Err(Error::Damaged(error.to_string()))
            }
            Ok(found) => found.map_err(|error| Error::Unavailable(error.to_string())),
            Err(error) => Err(Error::Unavailable(error.to_string())),
        }
    }
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let name = name.to_owned();
        self.read(move |database| database.get(&name)).await
    }

    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> PutOutcome {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || bytes.len() > BLOB_BYTES_MAX {
            return PutOutcome::Rejected(format!(
                "expected a name of 1 to {NAME_BYTES_MAX} bytes and a blob of at most {BLOB_BYTES_MAX} bytes, not {} \
                 and {}",
                name.len(),
                bytes.len()
            ));
        }
        self.write(name, Change::Content(bytes, condition)).await
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        match self.write(name, Change::Removal).await {
            PutOutcome::Applied(_) => Ok(()),
            // The same batch contained another write of this name; the removal can be retried.
            PutOutcome::PreconditionFailed => {
                Err(Error::Unavailable(format!("{name} is being written")))
            }
            PutOutcome::Unknown(why) | PutOutcome::Unavailable(why) | PutOutcome::Rejected(why) => {
                Err(Error::Unavailable(why))
            }
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.read(move |database| database.list(&prefix, after.as_deref(), limit)).await
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer thread was reported when it happened, and by every write since.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
