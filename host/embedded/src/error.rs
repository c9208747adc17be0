//! Errors of opening a store.

use std::path::PathBuf;

/// Reason why the directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the folder {0} is in use by another process: stop that one, or choose another folder")]
    InUse(PathBuf),
    /// It contains something other than a store, or the file that names the format is damaged.
    #[error(
        "the folder {0} is not empty, and {0}/format does not name a store: choose an empty folder; if this one held \
         a store, restore it from a backup (docs/operations.md, \"A damaged store\")"
    )]
    NotAStore(PathBuf),
    /// A newer host created it.
    #[error(
        "the folder {path} has format {found}, but this host reads formats up to {known}: use a newer host"
    )]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Format of the directory.
        found: u32,
        /// Newest format that this host supports.
        known: u32,
    },
    /// An older host created it.
    #[error(
        "the folder {path} has format {found}, but this host reads only format {known}: use the host that created it, \
         or choose another folder"
    )]
    OlderFormat {
        /// The directory.
        path: PathBuf,
        /// Format of the directory.
        found: u32,
        /// The format that this host supports.
        known: u32,
    },
    /// Its content differs from what was written.
    #[error(
        "the store in the folder {path} is damaged: {what}; restore the folder from a backup \
         (docs/operations.md, \"A damaged store\")"
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// The damaged part and how the damage was detected.
        what: String,
    },
    /// Answered writes are missing.
    #[error(
        "the store in the folder {path} is damaged: write {answered} was acknowledged, but the newest remaining write \
         is {found}; restore the folder from a backup, or accept the loss: write {found} into {path}/accept-loss and \
         start again"
    )]
    Lost {
        /// The directory.
        path: PathBuf,
        /// Number of the newest answered write.
        answered: u64,
        /// Number of the newest write found.
        found: u64,
    },
    /// Whether answered writes are missing cannot be determined.
    #[error(
        "the store in the folder {path} is damaged: {path}/last-answered is missing or unreadable, so writes after \
         {found}, the newest in the folder, may have been acknowledged and lost; restore the folder from a backup, or \
         accept a possible loss: write {found} into {path}/accept-loss and start again"
    )]
    Unproven {
        /// The directory.
        path: PathBuf,
        /// Number of the newest write found.
        found: u64,
    },
    /// An I/O operation failed.
    #[error("cannot use the folder {path}")]
    Io {
        /// The directory, or a file in it.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The database in it cannot be opened.
    #[error(
        "cannot open the database in the folder {path}: {why}; unless the disk is full or unavailable, it is damaged: \
         restore the folder from a backup (docs/operations.md, \"A damaged store\")"
    )]
    Database {
        /// The directory.
        path: PathBuf,
        /// The database's error message.
        why: String,
    },
}
