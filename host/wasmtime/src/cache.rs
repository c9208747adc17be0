//! Cache of compiled code on the local disk, so that a restart does not need to compile again.
//!
//! Loading compiled code executes the content of a file. So a file is used only if it carries this node's keyed MAC
//! over the code, the component's digest and the engine's configuration. The key never leaves the directory, which
//! only this user can access ([`folder`]); files that another user may have written are ignored. Anything that does
//! not match counts as absent. If the cache fails, components are compiled and nothing else changes.

mod folder;

use std::hash::{Hash as _, Hasher};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use highlander_core::id::{Digest, Hex};
use highlander_system::files::Untrusted;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use self::folder::Folder;
use super::code::CompiledCode;
use super::compiler::limits::CODE_BYTES_MAX;

/// Magic bytes of each file, with the format number.
const MAGIC: &[u8; 8] = b"HLCODE\x00\x01";
const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const KEY_FILE: &str = "cache.key";
/// Suffix of all files with code.
const ENDING: &str = ".code";
/// Size limit of a file with code.
const FILE_BYTES_MAX: u64 = (MAGIC.len() + MAC_BYTES) as u64 + CODE_BYTES_MAX;

/// Cache directory with its key.
#[derive(Debug)]
pub(super) struct CodeCache {
    folder: Folder,
    key: [u8; KEY_BYTES],
    environment: Digest,
    /// Size limit of all files together.
    bytes_max: u64,
    failed_count: AtomicU64,
}

impl CodeCache {
    /// Opens the directory, and creates it and the key if they are missing. Its files may have `bytes_max` in
    /// total.
    pub(super) fn open(dir: &Path, bytes_max: u64, engine: &Engine) -> io::Result<Self> {
        let folder = Folder::open(dir)?;
        let key = read_or_create_key(&folder)?;
        folder.evict(ENDING, bytes_max)?;
        let failed_count = AtomicU64::new(0);
        Ok(Self { folder, key, environment: environment(engine), bytes_max, failed_count })
    }

    /// Returns the component's compiled code, if this node has written it.
    pub(super) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let file = match self.folder.read(&self.name(digest), FILE_BYTES_MAX) {
            Ok(file) => file,
            Err(Untrusted::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {
                return None;
            }
            Err(untrusted) => {
                tracing::warn!(%digest, "compiled code on disk is ignored and compiled again: {untrusted}");
                return None;
            }
        };
        let Some(code) = self.verified(&file, digest) else {
            tracing::warn!(%digest, "compiled code on disk was not written by this node; compiling again");
            return None;
        };
        let loaded = code.load(engine);
        loaded
            .inspect_err(|error| tracing::warn!(%digest, "cannot load compiled code: {error}"))
            .ok()
    }

    /// Writes the compiled code to the cache. Logs only the first failure, and counts all of them.
    pub(super) fn keep(&self, digest: Digest, code: &CompiledCode) {
        if let Err(error) = self.write(digest, code.bytes())
            && self.failed_count.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::warn!(%error, "cannot cache compiled code on disk; continuing without it");
        }
    }

    /// Returns how often code could not be written.
    pub(super) fn failed_count(&self) -> u64 {
        self.failed_count.load(Ordering::Relaxed)
    }

    fn name(&self, digest: Digest) -> String {
        format!("{digest}-{}{ENDING}", self.environment)
    }

    fn write(&self, digest: Digest, code: &[u8]) -> io::Result<()> {
        // Two processes may share the directory: each writes a separate file, and the last rename wins.
        let mut nonce = [0; 8];
        SysRng.try_fill_bytes(&mut nonce).map_err(io::Error::other)?;
        let parts: [&[u8]; 3] = [MAGIC, &self.mac(code, digest), code];
        self.folder.replace(&self.name(digest), &Hex(&nonce).to_string(), &parts)?;
        let removed_count = self.folder.evict(ENDING, self.bytes_max)?;
        if removed_count > 0 {
            tracing::debug!(
                removed_count,
                "removed compiled code that was not used for the longest time"
            );
        }
        Ok(())
    }

    fn verified(&self, file: &[u8], digest: Digest) -> Option<CompiledCode> {
        let (mac, code) = file.strip_prefix(MAGIC)?.split_at_checked(MAC_BYTES)?;
        self.keyed(code, digest).verify_slice(mac).ok()?;
        Some(CompiledCode::verified(code.to_owned()))
    }

    fn mac(&self, code: &[u8], digest: Digest) -> [u8; MAC_BYTES] {
        self.keyed(code, digest).finalize().into_bytes().into()
    }

    fn keyed(&self, code: &[u8], digest: Digest) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC accepts keys of any length");
        // Fixed-length fields come first, so that no byte can move from one field to the next.
        mac.update(self.environment.as_bytes());
        mac.update(digest.as_bytes());
        mac.update(code);
        mac
    }
}

/// Returns a digest of everything besides the component that compiled code depends on: the engine's configuration,
/// the machine, and the version of wasmtime.
fn environment(engine: &Engine) -> Digest {
    let mut hashed = Collected::default();
    engine.precompile_compatibility_hash().hash(&mut hashed);
    Digest::of(&hashed.0)
}

/// Collects the hashed bytes, because the standard library's hashers may change between builds.
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

fn read_or_create_key(folder: &Folder) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    SysRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
    if folder.create(KEY_FILE, &[&key])? {
        return Ok(key);
    }
    let wrong = |why: String| io::Error::other(format!("{KEY_FILE}: {why}"));
    let bytes =
        folder.read(KEY_FILE, KEY_BYTES as u64).map_err(|error| wrong(error.to_string()))?;
    bytes.try_into().map_err(|_| wrong(format!("expected {KEY_BYTES} bytes")))
}

#[cfg(test)]
mod tests;
