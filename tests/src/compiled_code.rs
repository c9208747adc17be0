//! Compiled code that the nodes of all tests share, so that each component is compiled once and not by every node.
//!
//! A node finds the files in its data directory as after a restart, beside the key that authenticates them. Tests of
//! compilation start their nodes with [`Options::compiling`](crate::node::Options::compiling).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use parking_lot::Mutex;

use crate::artifacts;

/// Folder of compiled code in a node's data directory.
const FOLDER: &str = "code";
/// File with the key that authenticates compiled code.
const KEY: &str = "cache.key";
/// Extension of files with compiled code.
const EXTENSION: &str = "code";
/// Age from which shared code is removed: its component or the compiler was probably built again.
const AGE_MAX: Duration = Duration::from_hours(24);

/// Folder of the shared files.
static SHARED: LazyLock<Mutex<PathBuf>> =
    LazyLock::new(|| Mutex::new(open_shared().expect("the folder of compiled code")));

/// Copies the shared code into the data directory of a node that is about to start.
pub(crate) fn provide(data: &Path) {
    let shared = SHARED.lock();
    let own = data.join(FOLDER);
    let copied = create_private(&own)
        .and_then(|()| copy_unless_present(&shared.join(KEY), &own))
        .and_then(|()| copy_code(&shared, &own));
    copied.expect("compiled code can be copied");
}

/// Copies the code that a node has compiled to where other nodes find it.
pub(crate) fn collect(data: &Path) {
    let shared = SHARED.lock();
    let own = data.join(FOLDER);
    if own.is_dir() {
        copy_code(&own, &shared).expect("compiled code can be copied");
    }
}

fn open_shared() -> io::Result<PathBuf> {
    let folder = artifacts::target_folder().join("compiled-code");
    create_private(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        // Another process of tests may remove it first.
        if is_code(&entry.path()) && age > AGE_MAX {
            let _ = fs::remove_file(entry.path());
        }
    }
    write_new(&folder.join(KEY), &rand::random::<[u8; 32]>())?;
    Ok(folder)
}

fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn copy_code(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if is_code(&path) {
            copy_unless_present(&path, to)?;
        }
    }
    Ok(())
}

fn copy_unless_present(file: &Path, folder: &Path) -> io::Result<()> {
    let to = folder.join(file.file_name().unwrap_or_default());
    if to.exists() {
        return Ok(());
    }
    match fs::read(file) {
        Ok(content) => write_new(&to, &content),
        // Another process has removed the old file since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes a file that appears with all of its content, unless it exists already.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{:016x}.tmp", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(content)?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn is_code(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}
