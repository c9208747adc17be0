//! The cache against files that are not what this node wrote.

use super::super::tests::guest;
use super::*;

/// A cache with one component in it.
struct Kept {
    _dir: tempfile::TempDir,
    engine: Engine,
    cache: CodeCache,
    digest: Digest,
}

fn kept() -> Kept {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::default();
    let cache = CodeCache::open(&dir.path().join("code"), &engine).unwrap();
    let wasm = guest("counter");
    let digest = Digest::of(&wasm);
    cache.keep(digest, &compiled(&engine, &wasm));
    Kept { _dir: dir, engine, cache, digest }
}

fn compiled(engine: &Engine, wasm: &[u8]) -> Code {
    Code::of_compiler(engine.precompile_component(wasm).unwrap())
}

impl Kept {
    fn is_loaded(&self) -> bool {
        self.cache.load(&self.engine, self.digest).is_some()
    }

    fn path(&self) -> PathBuf {
        self.cache.path(self.digest)
    }
}

#[test]
fn code_that_was_kept_is_loaded() {
    let kept = kept();
    assert!(kept.is_loaded());
    assert_eq!(kept.cache.failed_count(), 0);
    let again = CodeCache::open(&kept.cache.dir, &kept.engine).unwrap();
    assert!(again.load(&kept.engine, kept.digest).is_some(), "the key is the same after a restart");
}

#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let kept = kept();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&kept.cache.dir), 0o700);
    assert_eq!(mode(&kept.path()), 0o600);
    assert_eq!(mode(&kept.cache.dir.join(KEY_FILE)), 0o600);
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
    fs::copy(kept.path(), kept.cache.path(other)).unwrap();
    assert!(kept.cache.load(&kept.engine, other).is_none());
}

#[test]
fn code_under_another_key_is_refused() {
    let mut kept = kept();
    fs::remove_file(kept.cache.dir.join(KEY_FILE)).unwrap();
    kept.cache = CodeCache::open(&kept.cache.dir, &kept.engine).unwrap();
    assert!(!kept.is_loaded());
}

#[test]
fn code_of_another_configuration_is_refused() {
    let kept = kept();
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let other = CodeCache::open(&kept.cache.dir, &Engine::new(&config).unwrap()).unwrap();
    assert_ne!(other.path(kept.digest), kept.path());
    fs::copy(kept.path(), other.path(kept.digest)).unwrap();
    assert!(other.load(&kept.engine, kept.digest).is_none());
}

#[test]
fn a_key_that_is_cut_short_is_refused() {
    let kept = kept();
    fs::write(kept.cache.dir.join(KEY_FILE), b"short").unwrap();
    assert!(CodeCache::open(&kept.cache.dir, &kept.engine).is_err());
}

#[test]
fn a_directory_that_cannot_be_written_is_only_counted() {
    let kept = kept();
    fs::remove_dir_all(&kept.cache.dir).unwrap();
    kept.cache.keep(kept.digest, &compiled(&kept.engine, &guest("counter")));
    assert_eq!(kept.cache.failed_count(), 1);
    assert!(!kept.is_loaded());
}
