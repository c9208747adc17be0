//! The store of a single node: a folder on its disk.
//!
//! A write is answered when it is fsynced, and a read never finds one that is not: the database shows a write only
//! after its log is on the disk. Where the disk fails in the middle of a write, nobody can say what of it a restart
//! will find; so the store answers "undecided", takes no further write until it is opened again, and goes on reading.
//! What was answered is there when it is opened again, or it is not opened ([`recovery`]).
//!
//! One folder is open in one process at most. What lies in it is in `docs/formats.md`, and why fjall in
//! `docs/decisions/embedded-store.md`.

mod database;
mod folder;
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
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::database::Database;
use self::writer::{Change, Write};
use super::{Blob, Condition, Error, Page, Put, Store};

/// Writes that wait for the writer's thread at most; the next one waits with its caller.
const WAITING_MAX: usize = 1024;
/// Reads that are on the disk at the same time; more would only make threads.
const READING_MAX: usize = 16;
/// Largest blob: a component.
const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest name.
const NAME_BYTES_MAX: usize = 1024;

/// Why the folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the folder {0} is in use by another process: stop that one, or choose another folder")]
    InUse(PathBuf),
    /// It holds something else.
    #[error("the folder {0} is not empty and holds no store: choose an empty one")]
    NotAStore(PathBuf),
    /// A newer host made it.
    #[error(
        "the folder {path} has format {found}, this host reads up to {known}: use a newer host"
    )]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this host knows.
        known: u32,
    },
    /// An older host made it.
    #[error(
        "the folder {path} has format {found}, this host reads format {known} alone: use the host \
         that made it, or choose another folder"
    )]
    OlderFormat {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format that this host knows.
        known: u32,
    },
    /// Something in it is not what was written there.
    #[error(
        "the store in the folder {path} is damaged: {what}; restore the folder from a backup \
         (docs/operations.md, \"A damaged store\")"
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is damaged, and how that shows.
        what: String,
    },
    /// Answered writes are missing.
    #[error(
        "the store in the folder {path} is damaged: write {answered} was answered, but the newest \
         that is left is {found}; restore the folder from a backup, or give the others up: write \
         {found} into {path}/accept-loss and start again"
    )]
    Lost {
        /// The folder.
        path: PathBuf,
        /// The newest write that was answered.
        answered: u64,
        /// The newest write that is there.
        found: u64,
    },
    /// It cannot be told whether answered writes are missing.
    #[error(
        "the store in the folder {path} is damaged: {path}/last-answered is missing or unreadable, \
         so that it cannot be told whether write {found}, the newest that is there, is the newest \
         that was answered; restore the folder from a backup, or give up what may be missing: \
         write {found} into {path}/accept-loss and start again"
    )]
    Unproven {
        /// The folder.
        path: PathBuf,
        /// The newest write that is there.
        found: u64,
    },
    /// The disk does not do what it should.
    #[error("the folder {path} cannot be used")]
    Io {
        /// The folder, or what in it.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database in it cannot be opened.
    #[error("the database in the folder {path} cannot be opened: {why}")]
    Database {
        /// The folder.
        path: PathBuf,
        /// Why, in the words of the database.
        why: String,
    },
}

/// A store in a folder. When it is dropped, what was accepted is written, and the folder is free.
pub struct Embedded {
    path: PathBuf,
    database: Arc<Database>,
    reading: Arc<Semaphore>,
    /// Nothing only while this is dropped.
    queue: Option<mpsc::Sender<Write>>,
    writer: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Opens the store in the folder `path`, which is made if there is none. It blocks: a start may wait for it.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed in a folder that holds something else.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = folder::open(path)?;
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

    async fn write(&self, name: &str, change: Change) -> Put {
        let (answer, answered) = oneshot::channel();
        let write = Write { name: name.to_owned(), change, answer };
        let stopped = || Put::Undecided("the store's writer has stopped: restart".to_owned());
        let Some(queue) = &self.queue else { return stopped() };
        if queue.send(write).await.is_err() {
            return stopped();
        }
        answered.await.unwrap_or_else(|_| stopped())
    }

    /// Reads on a thread that may wait for the disk. Where the content is in memory anyway this costs 20 µs more than
    /// reading here would, once per activation; where it is not, every other object of this thread would wait.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, database::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.reading).acquire_owned().await;
        let database = Arc::clone(&self.database);
        let reading = tokio::task::spawn_blocking(move || {
            let found = work(&database);
            // Before the answer, so that a store that is dropped after its last answer frees the folder at once.
            drop(database);
            drop(permit);
            found
        });
        match reading.await {
            Ok(Err(error @ database::Error::Damaged { .. })) => {
                tracing::error!("the embedded store cannot read: {error}");
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

    async fn put(&self, name: &str, bytes: Bytes, condition: Condition) -> Put {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || bytes.len() > BLOB_BYTES_MAX {
            return Put::Denied(format!(
                "a name has 1 to {NAME_BYTES_MAX} bytes and a blob at most {BLOB_BYTES_MAX}, \
                 not {} and {}",
                name.len(),
                bytes.len()
            ));
        }
        self.write(name, Change::Content(bytes, condition)).await
    }

    async fn remove(&self, name: &str) -> Result<(), Error> {
        match self.write(name, Change::Removal).await {
            Put::Applied(_) => Ok(()),
            // Another write of the name was in the same batch: it was there a moment ago, and may be tried again.
            Put::Refused => Err(Error::Unavailable(format!("{name} is being written"))),
            Put::Undecided(why) | Put::Unavailable(why) | Put::Denied(why) => {
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
            // A panic of that thread was told when it happened, and by every write since.
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
