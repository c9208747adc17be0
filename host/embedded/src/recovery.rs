//! Opens the store in a directory. Afterwards every answered write is present; otherwise it reports the damage and
//! refuses to open.
//!
//! 1. Manifests and journals, which the database would trust, are verified before it is opened.
//! 2. A journal's torn end is truncated, after a copy was made in `damaged`.
//! 3. The database is opened on a separate thread, so that a panic or an endless loop in it becomes an error here.
//! 4. Its content is compared with its journals and with the number of the newest answered write.
//!
//! Damage in a table or a blob is detected when it is read ([`super::database`]).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::database::{self, Database, Opened};
use super::directory::Lock;
use super::error::OpenError;
use super::journal::{self, Journals};
use super::last_answered::LastAnswered;
use super::manifest::{self, Age};

/// Time limit for opening the database. It reads at most 256 MiB of journals, which any disk finishes much earlier.
const OPEN_TIME_MAX: Duration = Duration::from_mins(10);
/// File that an operator writes to continue without the lost writes.
const ACCEPT_LOSS: &str = "accept-loss";
/// Directory for copies of truncated journals.
const DAMAGED: &str = "damaged";

/// Opens the store in the directory `path`, which `lock` holds. Also returns the highest write number ever used.
pub(super) fn open(path: &Path, lock: Lock) -> Result<(Database, u64), OpenError> {
    let failed = |path: &Path, source| OpenError::Io { path: path.to_owned(), source };
    let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
    let answered = LastAnswered::read(path).map_err(|source| failed(path, source))?;
    let age = if answered == Some(0) { Age::New } else { Age::Used };
    let blobs = path.join("blobs");
    manifest::check(&blobs, age).map_err(damaged)?;
    let unusable = |error| match error {
        journal::Error::Io(path, source) => OpenError::Io { path, source },
        journal::Error::Damaged(what) => damaged(what),
    };
    let journals = Journals::read(&blobs).map_err(unusable)?;
    let kept = path.join(DAMAGED);
    let was_cut = journals.cut(&kept).map_err(unusable)?;
    let accepted = accepted(path).map_err(|source| failed(&path.join(ACCEPT_LOSS), source))?;
    let journal_newest = journals.newest;
    let plan = Plan { path: path.to_owned(), blobs, answered, accepted, age };
    let opened = guarded(OPEN_TIME_MAX, move || plan.carry_out(journals));
    let Checked { opened, newest, is_loss } = opened.unwrap_or_else(|what| Err(damaged(what)))?;
    let last_answered =
        LastAnswered::create(path, newest).map_err(|source| failed(path, source))?;
    if is_loss {
        tracing::warn!(
            newest,
            "the store continues without the lost writes, because the loss was accepted"
        );
    } else if was_cut {
        // The torn write was never answered, so the copy is not needed.
        fs::remove_dir_all(&kept).map_err(|source| failed(&kept, source))?;
    }
    if accepted.is_some() {
        // The file is good for one start: the next loss must be accepted again.
        let path = path.join(ACCEPT_LOSS);
        fs::remove_file(&path).map_err(|source| failed(&path, source))?;
    }
    let previous = journal_newest.unwrap_or(newest);
    let database = Database::new(path, opened, previous, last_answered, lock);
    // The number of a lost write is not reused either.
    Ok((database, answered.unwrap_or_default().max(newest)))
}

/// Returns the newest write number that the operator accepts to continue with.
fn accepted(path: &Path) -> io::Result<Option<u64>> {
    match fs::read_to_string(path.join(ACCEPT_LOSS)) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Inputs for opening the database.
struct Plan {
    path: PathBuf,
    blobs: PathBuf,
    answered: Option<u64>,
    accepted: Option<u64>,
    age: Age,
}

/// Database that was opened and checked.
struct Checked {
    opened: Opened,
    /// Number of its newest write.
    newest: u64,
    /// Whether later writes are lost, which the operator has accepted.
    is_loss: bool,
}

impl Plan {
    fn carry_out(self, journals: Journals) -> Result<Checked, OpenError> {
        let path = self.path;
        let why = |error: database::Error| match error {
            database::Error::Damaged { .. } => {
                OpenError::Damaged { path: path.clone(), what: error.to_string() }
            }
            database::Error::Fjall(error) => {
                OpenError::Database { path: path.clone(), why: error.to_string() }
            }
        };
        let opened = Opened::open(&self.blobs, self.age).map_err(why)?;
        let newest = opened.newest().map_err(why)?;
        if let Some(read) = journals.newest.filter(|read| newest < *read) {
            let what = format!(
                "the journals end with write {read}, but the database ends with write {newest}"
            );
            return Err(OpenError::Damaged { path, what });
        }
        let is_loss = match self.answered {
            Some(answered) if answered <= newest => false,
            _ if self.accepted == Some(newest) => true,
            Some(answered) => return Err(OpenError::Lost { path, answered, found: newest }),
            None => return Err(OpenError::Unproven { path, found: newest }),
        };
        // If the journals end before the database, all their writes are in its tables, along with later ones.
        if journals.newest == Some(newest) {
            compare(&opened, journals.expected)
                .map_err(why)?
                .map_err(|what| OpenError::Damaged { path: path.clone(), what })?;
        }
        Ok(Checked { opened, newest, is_loss })
    }
}

/// Checks that the database shows the content of its journals.
fn compare(
    opened: &Opened,
    expected: HashMap<Vec<u8>, Option<u64>>,
) -> Result<Result<(), String>, database::Error> {
    for (name, expected) in expected {
        let shown = opened.number(&name)?;
        if shown != expected {
            let name = String::from_utf8_lossy(&name);
            return Ok(Err(format!(
                "{name} was last written by write {expected:?} in the journals, but by write {shown:?} in the database"
            )));
        }
    }
    Ok(Ok(()))
}

/// Runs `work` on a separate thread. Returns an error if it panics or takes longer than `limit`.
fn guarded<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, receiver) = sync_channel(1);
    let thread = thread::Builder::new().name("store-opener".to_owned());
    let started = thread.spawn(move || {
        // After a timeout the receiver is gone.
        let _ = sender.send(work());
    });
    started.map_err(|error| format!("cannot start a thread: {error}"))?;
    receiver.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => format!("the database was not open after {limit:?}"),
        RecvTimeoutError::Disconnected => "the database panicked on it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_and_an_endless_wait_are_errors() {
        assert_eq!(guarded(Duration::from_mins(1), || 7), Ok(7));
        let panicked = guarded(Duration::from_mins(1), || panic!("as on a damaged table"));
        assert_eq!(panicked, Err::<(), _>("the database panicked on it".to_owned()));
        let (_never, waits) = sync_channel::<()>(0);
        let endless = guarded(Duration::from_millis(10), move || {
            let _ = waits.recv();
        });
        assert_eq!(endless, Err("the database was not open after 10ms".to_owned()));
    }
}
