//! The cache rejects files that this node has not written.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::super::tests::guest;
use super::*;

/// More than any test needs.
const AMPLE: u64 = 1 << 30;

/// A cache that contains one component.
struct Kept {
    _dir: tempfile::TempDir,
    path: PathBuf,
    engine: Engine,
    cache: CodeCache,
    digest: Digest,
}

fn kept() -> Kept {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let path = dir.path().join("code");
    let cache = CodeCache::open(&path, AMPLE, &engine).unwrap();
    let wasm = guest("counter");
    let digest = Digest::of(&wasm);
    cache.keep(digest, &compiled(&engine, &wasm));
    Kept { _dir: dir, path, engine, cache, digest }
}

fn compiled(engine: &Engine, wasm: &[u8]) -> CompiledCode {
    CompiledCode::of_compiler(engine.precompile_component(wasm).unwrap())
}

impl Kept {
    fn is_loaded(&self) -> bool {
        self.cache.load(&self.engine, self.digest).is_some()
    }

    fn path(&self) -> PathBuf {
        self.path_of(self.digest)
    }

    fn path_of(&self, digest: Digest) -> PathBuf {
        self.path.join(self.cache.name(digest))
    }

    fn reopened(&self, bytes_max: u64) -> io::Result<CodeCache> {
        CodeCache::open(&self.path, bytes_max, &self.engine)
    }

    /// Adds another file of code with `bytes` bytes that was last used `minutes` minutes ago.
    fn add(&self, name: &str, bytes: usize, minutes: u64) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, vec![0; bytes]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let used_at = now() - std::time::Duration::from_mins(minutes);
        fs::File::options().write(true).open(&path).unwrap().set_modified(used_at).unwrap();
        path
    }
}

#[test]
fn code_that_was_kept_is_loaded() {
    let kept = kept();
    assert!(kept.is_loaded());
    assert_eq!(kept.cache.failed_count(), 0);
    let again = kept.reopened(AMPLE).unwrap();
    assert!(again.load(&kept.engine, kept.digest).is_some(), "the key is the same after a restart");
}

#[test]
fn nobody_else_may_read_it() {
    let kept = kept();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&kept.path), 0o700);
    assert_eq!(mode(&kept.path()), 0o600);
    assert_eq!(mode(&kept.path.join(KEY_FILE)), 0o600);
}

#[test]
fn a_flipped_byte_anywhere_is_refused() {
    let kept = kept();
    let file = fs::read(kept.path()).unwrap();
    let header = MAGIC.len() + MAC_BYTES;
    for index in
        [0, MAGIC.len() - 1, MAGIC.len(), header - 1, header, file.len() / 2, file.len() - 1]
    {
        let mut flipped = file.clone();
        flipped[index] ^= 1;
        fs::write(kept.path(), &flipped).unwrap();
        assert!(!kept.is_loaded(), "byte {index}");
    }
    for length in [0, 1, header - 1, header, file.len() - 1] {
        fs::write(kept.path(), &file[..length]).unwrap();
        assert!(!kept.is_loaded(), "cut to {length}");
    }
    fs::write(kept.path(), &file).unwrap();
    assert!(kept.is_loaded());
}

#[test]
fn code_of_another_component_is_refused() {
    let kept = kept();
    let other = Digest::of(b"another one");
    fs::copy(kept.path(), kept.path_of(other)).unwrap();
    assert!(kept.cache.load(&kept.engine, other).is_none());
}

#[test]
fn code_under_another_key_is_refused() {
    let mut kept = kept();
    fs::remove_file(kept.path.join(KEY_FILE)).unwrap();
    kept.cache = kept.reopened(AMPLE).unwrap();
    assert!(!kept.is_loaded());
}

#[test]
fn code_of_another_configuration_is_refused() {
    let kept = kept();
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let other = CodeCache::open(&kept.path, AMPLE, &Engine::new(&config).unwrap()).unwrap();
    assert_ne!(other.name(kept.digest), kept.cache.name(kept.digest));
    fs::copy(kept.path(), kept.path.join(other.name(kept.digest))).unwrap();
    assert!(other.load(&kept.engine, kept.digest).is_none());
}

#[test]
fn a_key_that_is_cut_short_is_refused() {
    let kept = kept();
    fs::write(kept.path.join(KEY_FILE), b"short").unwrap();
    assert!(kept.reopened(AMPLE).is_err());
}

#[test]
fn a_directory_that_cannot_be_written_is_only_counted() {
    let kept = kept();
    fs::remove_dir_all(&kept.path).unwrap();
    kept.cache.keep(kept.digest, &compiled(&kept.engine, &guest("counter")));
    assert_eq!(kept.cache.failed_count(), 1);
    assert!(!kept.is_loaded());
}

#[test]
fn a_file_that_others_may_have_written_is_refused_and_written_anew() {
    let kept = kept();
    for mode in [0o640, 0o602, 0o666] {
        fs::set_permissions(kept.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert!(!kept.is_loaded(), "{mode:o}");
    }
    // Only root can change the owner of a file.
    if chown(kept.path(), Some(1), None).is_ok() {
        fs::set_permissions(kept.path(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!kept.is_loaded());
    }
    kept.cache.keep(kept.digest, &compiled(&kept.engine, &guest("counter")));
    assert!(kept.is_loaded());
    assert_eq!(kept.cache.failed_count(), 0);
}

#[test]
fn links_pipes_and_devices_are_refused_at_once_and_replaced() {
    let kept = kept();
    let aside = kept.path.join("aside");
    fs::rename(kept.path(), &aside).unwrap();
    let links = [PathBuf::from("/dev/zero"), aside.clone(), PathBuf::from("/nowhere")];
    for target in &links {
        symlink(target, kept.path()).unwrap();
        assert!(!kept.is_loaded(), "{}", target.display());
        kept.cache.keep(kept.digest, &compiled(&kept.engine, &guest("counter")));
        assert!(kept.is_loaded(), "{}", target.display());
        assert!(!fs::symlink_metadata(kept.path()).unwrap().is_symlink());
        fs::remove_file(kept.path()).unwrap();
    }
    mknodat(CWD, kept.path(), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(!kept.is_loaded());
    assert!(aside.exists(), "the target of a link is left alone");
}

#[test]
fn a_file_that_is_longer_than_any_code_is_not_read() {
    let kept = kept();
    // The file is sparse and has no blocks on disk.
    fs::File::options().write(true).open(kept.path()).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
    assert!(!kept.is_loaded());
}

#[test]
fn a_folder_that_others_own_or_may_enter_is_not_used() {
    let kept = kept();
    for mode in [0o750, 0o701, 0o777] {
        fs::set_permissions(&kept.path, fs::Permissions::from_mode(mode)).unwrap();
        let error = kept.reopened(AMPLE).unwrap_err().to_string();
        assert!(error.contains(&format!("mode is {mode:o}")), "{error}");
    }
    fs::set_permissions(&kept.path, fs::Permissions::from_mode(0o700)).unwrap();
    let link = kept.path.with_file_name("link");
    symlink(&kept.path, &link).unwrap();
    assert!(CodeCache::open(&link, AMPLE, &kept.engine).is_err());
    if chown(&kept.path, Some(1), None).is_ok() {
        let error = kept.reopened(AMPLE).unwrap_err().to_string();
        assert!(error.contains("belongs to another user"), "{error}");
    }
}

#[test]
fn a_key_that_others_may_know_is_not_used() {
    let kept = kept();
    let key = kept.path.join(KEY_FILE);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(kept.reopened(AMPLE).is_err());
    fs::remove_file(&key).unwrap();
    symlink("/dev/zero", &key).unwrap();
    assert!(kept.reopened(AMPLE).is_err());
}

#[test]
fn what_was_not_used_for_longest_is_removed_when_there_is_too_much() {
    let kept = kept();
    let own = fs::metadata(kept.path()).unwrap().len();
    let (oldest, older) = (kept.add("a.code", 1000, 30), kept.add("b.code", 1000, 20));
    let unfinished = [kept.add("c.tmp", 1000, 61), kept.add("d.tmp", 1000, 59)];
    let foreign = kept.add("note.txt", 100_000, 99);
    let exist = || [&oldest, &older, &kept.path()].map(|path| path.exists());
    kept.reopened(own + 2000).unwrap();
    assert_eq!(exist(), [true, true, true]);
    assert_eq!(unfinished.map(|path| path.exists()), [false, true], "one of them is being written");
    kept.reopened(own + 1999).unwrap();
    assert_eq!(exist(), [false, true, true]);
    let tight = kept.reopened(own).unwrap();
    assert_eq!(exist(), [false, false, true]);
    assert!(foreign.exists(), "files that are not compiled code are not removed");
    // The file that was written last is the newest.
    let digest = Digest::of(b"another one");
    tight.keep(digest, &compiled(&kept.engine, &guest("counter")));
    assert!(kept.path_of(digest).exists() && !kept.path().exists());
}

fn now() -> std::time::SystemTime {
    std::time::UNIX_EPOCH + std::time::Duration::from_millis(highlander_system::clock::wall_ms())
}

#[test]
fn code_that_is_loaded_counts_as_used() {
    let kept = kept();
    let before = kept.path();
    let age = std::time::Duration::from_hours(5);
    let used_at = now() - age;
    fs::File::options().write(true).open(&before).unwrap().set_modified(used_at).unwrap();
    let other = kept.add("a.code", 1000, 60);
    assert!(kept.is_loaded());
    kept.reopened(fs::metadata(&before).unwrap().len()).unwrap();
    assert!(before.exists() && !other.exists());
}
