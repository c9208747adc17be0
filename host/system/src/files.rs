//! Reads files that the process trusts: secrets, token files, compiled code.
//!
//! The owner and any writer of such a file control what the node trusts, so owner and mode are checked before a
//! byte is read. The checks use the open file, so no other file can be substituted in between. Only regular files
//! are read, because a pipe or a device could block the reader, and only up to a size limit. Systems other than Unix
//! have neither owner nor mode of this kind: there, only the kind and the size of a file are checked.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

#[cfg(unix)]
use rustix::fd::{AsFd, OwnedFd};
#[cfg(unix)]
use rustix::fs::{CWD, FileType, Mode, OFlags, RawMode, Stat, fstat, openat};
#[cfg(unix)]
use rustix::io::Errno;
#[cfg(unix)]
use rustix::process::geteuid;

/// Requirements for a trusted file.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Mode bits that the file must not have, such as `0o077` to deny others all access.
    pub mode_denied: u32,
    /// Whether root may own the file, too; otherwise it must belong to the process's user.
    pub may_be_of_root: bool,
    /// Whether the path may be a symbolic link.
    pub may_be_link: bool,
    /// Maximum size.
    pub bytes_max: u64,
}

impl Rules {
    /// Returns the rules for a file that an operator provides.
    #[must_use]
    pub fn of_operator(mode_denied: u32, bytes_max: u64) -> Self {
        Self { mode_denied, may_be_of_root: true, may_be_link: true, bytes_max }
    }
}

/// Reason why a file is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// The file does not exist or cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// The path is a directory, a pipe, a device, or a link that is not permitted.
    #[error("it is not a regular file")]
    NotRegular,
    /// The file belongs to another user.
    #[error("it belongs to another user (UID {0})")]
    OtherOwner(u32),
    /// The mode grants others a denied permission.
    #[error("its mode is {0:o}")]
    TooOpen(u32),
    /// The file exceeds the size limit.
    #[error("it has more than {0} bytes")]
    TooLong(u64),
}

/// Reads a whole file.
///
/// # Errors
/// The file violates the rules.
pub fn read(path: &Path, rules: &Rules) -> Result<Vec<u8>, Untrusted> {
    #[cfg(unix)]
    let file = open_at(CWD, path, rules)?.into();
    #[cfg(not(unix))]
    let file = open(path, rules)?;
    contents(file, rules)
}

/// Reads a whole file in an open directory.
///
/// # Errors
/// As for [`read`].
#[cfg(unix)]
pub fn read_at(folder: impl AsFd, name: &Path, rules: &Rules) -> Result<Vec<u8>, Untrusted> {
    contents(open_at(folder, name, rules)?.into(), rules)
}

fn contents(file: File, rules: &Rules) -> Result<Vec<u8>, Untrusted> {
    let mut bytes = Vec::new();
    // Bounded, because the file may have grown since the check.
    file.take(rules.bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > rules.bytes_max {
        return Err(Untrusted::TooLong(rules.bytes_max));
    }
    Ok(bytes)
}

/// Opens a file for reading, and checks its kind. Its size is checked when it is read.
#[cfg(not(unix))]
fn open(path: &Path, rules: &Rules) -> Result<File, Untrusted> {
    let is_link = std::fs::symlink_metadata(path)?.is_symlink();
    if is_link && !rules.may_be_link {
        return Err(Untrusted::NotRegular);
    }
    let file = File::open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(Untrusted::NotRegular) }
}

/// Opens a file for reading, and checks its type, owner, mode and size.
#[cfg(unix)]
fn open_at(folder: impl AsFd, name: &Path, rules: &Rules) -> Result<OwnedFd, Untrusted> {
    // Without `NONBLOCK`, opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let flags = if rules.may_be_link { flags } else { flags | OFlags::NOFOLLOW };
    let file = openat(folder, name, flags, Mode::empty()).map_err(|error| match error {
        // A socket, or a device without a driver.
        Errno::LOOP if !rules.may_be_link => Untrusted::NotRegular,
        Errno::NXIO => Untrusted::NotRegular,
        error => Untrusted::Unreadable(error.into()),
    })?;
    let stat = fstat(&file).map_err(io::Error::from)?;
    judge(&stat, rules, geteuid().as_raw())?;
    Ok(file)
}

/// Checks a file's metadata against the rules, for a process of this user.
#[cfg(unix)]
fn judge(stat: &Stat, rules: &Rules, user: u32) -> Result<(), Untrusted> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Untrusted::NotRegular);
    }
    if stat.st_uid != user && !(rules.may_be_of_root && stat.st_uid == 0) {
        return Err(Untrusted::OtherOwner(stat.st_uid));
    }
    let mode = bits(stat.st_mode);
    if mode & rules.mode_denied != 0 {
        return Err(Untrusted::TooOpen(mode));
    }
    if u64::try_from(stat.st_size).is_ok_and(|length| length > rules.bytes_max) {
        return Err(Untrusted::TooLong(rules.bytes_max));
    }
    Ok(())
}

/// Returns the permission bits of a mode, whose width differs between systems.
#[cfg(unix)]
#[allow(clippy::useless_conversion, reason = "a mode has 32 bits on Linux, and 16 on others")]
fn bits(mode: RawMode) -> u32 {
    u32::from(mode) & 0o7777
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use highlander_testing::files::with_mode;
    use rustix::fs::mknodat;

    use super::*;

    const SECRET: Rules =
        Rules { mode_denied: 0o077, may_be_of_root: true, may_be_link: true, bytes_max: 8 };
    const OWN: Rules = Rules { may_be_of_root: false, may_be_link: false, ..SECRET };

    #[track_caller]
    fn check_refused(path: &Path, rules: &Rules, why: &str) {
        let error = read(path, rules).unwrap_err().to_string();
        assert!(error.contains(why), "{}: {error}", path.display());
    }

    #[test]
    fn a_file_of_ones_own_that_others_cannot_touch_is_read() {
        for rules in [&SECRET, &OWN] {
            assert_eq!(read(with_mode("8 bytes.", 0o600).path(), rules).unwrap(), b"8 bytes.");
            check_refused(with_mode("9 bytes..", 0o600).path(), rules, "more than 8 bytes");
            check_refused(with_mode("x", 0o640).path(), rules, "mode is 640");
            check_refused(with_mode("x", 0o602).path(), rules, "mode is 602");
            check_refused(Path::new("/nowhere/x"), rules, "No such file");
        }
    }

    #[test]
    fn whose_a_file_may_be() {
        let mut stat = fstat(with_mode("x", 0o600).as_file()).unwrap();
        for (owner, user, is_secret, is_own) in
            [(1, 1, true, true), (0, 1, true, false), (2, 1, false, false), (1, 0, false, false)]
        {
            stat.st_uid = owner;
            assert_eq!(judge(&stat, &SECRET, user).is_ok(), is_secret, "{owner} {user}");
            assert_eq!(judge(&stat, &OWN, user).is_ok(), is_own, "{owner} {user}");
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_refused() {
        let file = with_mode("x", 0o600);
        // Only root may change a file's owner; otherwise the table above must suffice.
        if chown(file.path(), Some(1), None).is_ok() {
            check_refused(file.path(), &SECRET, "another user (UID 1)");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [pipe.as_path(), &socket, folder.path(), Path::new("/dev/zero")] {
            check_refused(path, &SECRET, "not a regular file");
            check_refused(path, &OWN, "not a regular file");
        }
    }

    #[test]
    fn links_are_followed_only_where_they_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let target = with_mode("x", 0o600);
        let link = folder.path().join("link");
        symlink(target.path(), &link).unwrap();
        assert_eq!(read(&link, &SECRET).unwrap(), b"x");
        check_refused(&link, &OWN, "not a regular file");
        let to_device = folder.path().join("zero");
        symlink("/dev/zero", &to_device).unwrap();
        check_refused(&to_device, &SECRET, "not a regular file");
        check_refused(&to_device, &OWN, "not a regular file");
    }
}
