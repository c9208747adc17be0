//! Reads files that the process trusts: secrets, lists of tokens, compiled code.
//!
//! Whoever owns such a file, or may write to it, decides what the node believes, so that owner and mode are looked at
//! before a byte of it is. They are those of the open file: no other one can take its place in between. Nothing but a
//! regular file is read, so that a pipe or a device does not keep the reader waiting, and none beyond its bound.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// What is asked of a file.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Bits of its mode that it must not have: `0o077` for what others may not even read.
    pub mode_denied: u32,
    /// Whether it may be root's too, who may do everything anyway; else it is this user's alone.
    pub may_be_of_root: bool,
    /// Whether a symbolic link may lead to it.
    pub may_be_link: bool,
    /// Its greatest length.
    pub bytes_max: u64,
}

impl Rules {
    /// For a file that an operator puts where the configuration says.
    #[must_use]
    pub fn of_operator(mode_denied: u32, bytes_max: u64) -> Self {
        Self { mode_denied, may_be_of_root: true, may_be_link: true, bytes_max }
    }
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// It cannot be read, or is not there.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// It is a folder, a pipe, a device, or a link where none may be.
    #[error("it is no regular file")]
    NotRegular,
    /// It belongs to somebody else.
    #[error("it belongs to another user, of the number {0}")]
    OtherOwner(u32),
    /// Others may do with it what they may not.
    #[error("its mode is {0:o}")]
    TooOpen(u32),
    /// It is longer than it may be.
    #[error("it has more than {0} bytes")]
    TooLong(u64),
}

/// The whole content of a file.
///
/// # Errors
/// Where it is not as the rules want it.
pub fn read(path: &Path, rules: &Rules) -> Result<Vec<u8>, Untrusted> {
    read_at(CWD, path, rules)
}

/// The whole content of a file in a folder that is open.
///
/// # Errors
/// As [`read`].
pub fn read_at(folder: impl AsFd, name: &Path, rules: &Rules) -> Result<Vec<u8>, Untrusted> {
    let file = open_at(folder, name, rules)?;
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    File::from(file).take(rules.bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > rules.bytes_max {
        return Err(Untrusted::TooLong(rules.bytes_max));
    }
    Ok(bytes)
}

/// Opens a file for reading, and looks at whose it is.
fn open_at(folder: impl AsFd, name: &Path, rules: &Rules) -> Result<OwnedFd, Untrusted> {
    // A pipe without a writer would be waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let flags = if rules.may_be_link { flags } else { flags | OFlags::NOFOLLOW };
    let file = openat(folder, name, flags, Mode::empty()).map_err(|error| match error {
        // A socket, or a device that is not there.
        Errno::LOOP if !rules.may_be_link => Untrusted::NotRegular,
        Errno::NXIO => Untrusted::NotRegular,
        error => Untrusted::Unreadable(error.into()),
    })?;
    let stat = fstat(&file).map_err(io::Error::from)?;
    judge(&stat, rules, geteuid().as_raw())?;
    Ok(file)
}

/// Whether a file is as the rules want it, for a process of this user.
fn judge(stat: &Stat, rules: &Rules, user: u32) -> Result<(), Untrusted> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Untrusted::NotRegular);
    }
    if stat.st_uid != user && !(rules.may_be_of_root && stat.st_uid == 0) {
        return Err(Untrusted::OtherOwner(stat.st_uid));
    }
    let mode = stat.st_mode & 0o7777;
    if mode & rules.mode_denied != 0 {
        return Err(Untrusted::TooOpen(mode));
    }
    if u64::try_from(stat.st_size).is_ok_and(|length| length > rules.bytes_max) {
        return Err(Untrusted::TooLong(rules.bytes_max));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use rustix::fs::mknodat;

    use super::*;

    const SECRET: Rules =
        Rules { mode_denied: 0o077, may_be_of_root: true, may_be_link: true, bytes_max: 8 };
    const OWN: Rules = Rules { may_be_of_root: false, may_be_link: false, ..SECRET };

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[track_caller]
    fn check_refused(path: &Path, rules: &Rules, why: &str) {
        let error = read(path, rules).unwrap_err().to_string();
        assert!(error.contains(why), "{}: {error}", path.display());
    }

    #[test]
    fn a_file_of_ones_own_that_others_cannot_touch_is_read() {
        for rules in [&SECRET, &OWN] {
            assert_eq!(read(file("8 bytes.", 0o600).path(), rules).unwrap(), b"8 bytes.");
            check_refused(file("9 bytes..", 0o600).path(), rules, "more than 8 bytes");
            check_refused(file("x", 0o640).path(), rules, "mode is 640");
            check_refused(file("x", 0o602).path(), rules, "mode is 602");
            check_refused(Path::new("/nowhere/x"), rules, "No such file");
        }
    }

    #[test]
    fn whose_a_file_may_be() {
        let mut stat = fstat(file("x", 0o600).as_file()).unwrap();
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
        let file = file("x", 0o600);
        // Only root may give a file away; for the others the table above has to do.
        if chown(file.path(), Some(1), None).is_ok() {
            check_refused(file.path(), &SECRET, "another user, of the number 1");
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
            check_refused(path, &SECRET, "no regular file");
            check_refused(path, &OWN, "no regular file");
        }
    }

    #[test]
    fn links_are_followed_only_where_they_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let target = file("x", 0o600);
        let link = folder.path().join("link");
        symlink(target.path(), &link).unwrap();
        assert_eq!(read(&link, &SECRET).unwrap(), b"x");
        check_refused(&link, &OWN, "no regular file");
        let to_device = folder.path().join("zero");
        symlink("/dev/zero", &to_device).unwrap();
        check_refused(&to_device, &SECRET, "no regular file");
        check_refused(&to_device, &OWN, "no regular file");
    }
}
