//! Compiled code on the local disk, so that a start need not compile again.
//!
//! Loading compiled code means to run whatever the file holds, so a file is used only if it carries a keyed MAC of
//! this node over the code, the component's digest and the engine's configuration. The key never leaves the directory
//! (mode 0700). Anything that does not match counts as absent. The cache is a convenience: where it fails, components
//! are compiled, and nothing else happens.

use std::fs;
use std::hash::{Hash as _, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::code::Code;
use crate::id::{Digest, Hex};

/// What each file begins with: the format, and its number.
const MAGIC: &[u8; 8] = b"HLCODE\x00\x01";
const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const KEY_FILE: &str = "cache.key";

/// The directory of compiled code.
#[derive(Debug)]
pub(super) struct CodeCache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
    environment: Digest,
    failed_count: AtomicU64,
}

impl CodeCache {
    /// Opens the directory, and creates it and the key where they are missing.
    pub(super) fn open(dir: &Path, engine: &Engine) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            key: read_or_create_key(dir)?,
            environment: environment(engine),
            failed_count: AtomicU64::new(0),
        })
    }

    /// The compiled code of the component, if it is there and is what this node wrote.
    pub(super) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let file = fs::read(self.path(digest)).ok()?;
        let Some(code) = self.verified(&file, digest) else {
            tracing::warn!(%digest, "compiled code on disk is not what this node wrote; compiling");
            return None;
        };
        let loaded = code.load(engine);
        loaded
            .inspect_err(|error| tracing::warn!(%digest, "compiled code not loaded: {error}"))
            .ok()
    }

    /// Keeps the compiled code. Says a failure once, and counts it.
    pub(super) fn keep(&self, digest: Digest, code: &Code) {
        if let Err(error) = self.write(digest, code.bytes())
            && self.failed_count.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::warn!(%error, "compiled code cannot be kept on disk; going on without");
        }
    }

    /// How often code could not be kept.
    pub(super) fn failed_count(&self) -> u64 {
        self.failed_count.load(Ordering::Relaxed)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(format!("{digest}-{}.code", self.environment))
    }

    fn write(&self, digest: Digest, code: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        // Two processes may share the directory: each writes a file of its own, and the last one stays.
        let mut nonce = [0; 8];
        SysRng.try_fill_bytes(&mut nonce).map_err(io::Error::other)?;
        let temporary = path.with_extension(format!("{}.tmp", Hex(&nonce)));
        let written = write_private(&temporary, &[MAGIC, &self.mac(code, digest), code])
            .and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn verified(&self, file: &[u8], digest: Digest) -> Option<Code> {
        let (mac, code) = file.strip_prefix(MAGIC)?.split_at_checked(MAC_BYTES)?;
        self.keyed(code, digest).verify_slice(mac).ok()?;
        Some(Code::verified(code.to_owned()))
    }

    fn mac(&self, code: &[u8], digest: Digest) -> [u8; MAC_BYTES] {
        self.keyed(code, digest).finalize().into_bytes().into()
    }

    fn keyed(&self, code: &[u8], digest: Digest) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("a MAC takes keys of any length");
        // Fields of fixed length first, so that no byte can move from one field to the next.
        mac.update(self.environment.as_bytes());
        mac.update(digest.as_bytes());
        mac.update(code);
        mac
    }
}

/// What compiled code depends on besides the component: the engine's configuration, the machine, and wasmtime's
/// version.
fn environment(engine: &Engine) -> Digest {
    let mut hashed = Collected::default();
    engine.precompile_compatibility_hash().hash(&mut hashed);
    Digest::of(&hashed.0)
}

/// Collects what is hashed: the hashers of the standard library may change between builds.
#[derive(Default)]
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn read_or_create_key(dir: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let path = dir.join(KEY_FILE);
    let mut key = [0; KEY_BYTES];
    SysRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    match write_private(&path, &[&key]) {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let wrong = |_| io::Error::other(format!("{KEY_FILE} has not {KEY_BYTES} bytes"));
            fs::read(&path)?.try_into().map_err(wrong)
        }
        Err(error) => Err(error),
    }
}

/// Writes a new file that only this user may read.
fn write_private(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

#[cfg(test)]
mod tests;
