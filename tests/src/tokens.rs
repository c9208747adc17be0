//! Token files for nodes that require tokens, created by the binary's own command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::command::highlander;

/// A folder with a token file, and with each token in a separate file.
#[derive(Debug)]
pub struct Tokens {
    folder: TempDir,
}

impl Tokens {
    /// Creates a file with these principals, each with its scopes.
    pub async fn new(principals: &[(&str, &str)]) -> Self {
        let tokens = Self { folder: tempfile::tempdir().unwrap() };
        tokens.write(principals).await;
        tokens
    }

    /// Rewrites the file with new tokens.
    pub async fn write(&self, principals: &[(&str, &str)]) {
        let mut lines = String::from("# NAME SHA256 SCOPES\n");
        for (name, scopes) in principals {
            let made = highlander().run(&["token", name, "--scopes", scopes]).await.done();
            let (token, line) = made.stdout.trim_end().split_once('\n').expect("two lines");
            private(self.file(name), token);
            lines.push_str(line);
            lines.push('\n');
        }
        private(self.list(), &lines);
    }

    /// Returns the path of the token file, for `auth.tokens_file`.
    #[must_use]
    pub fn list(&self) -> PathBuf {
        self.folder.path().join("tokens.list")
    }

    /// Returns the path of the file with a principal's token.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a principal's token.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
}

/// Writes a file that only its owner can read.
///
/// # Panics
/// If it cannot be written.
pub fn private(path: PathBuf, text: &str) {
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
