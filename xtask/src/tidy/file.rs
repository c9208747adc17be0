//! Files of the repository, and findings in them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// File of the repository; its path is relative to the root and uses slashes.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the file contains tests, which may be longer: by its name, or in the package of system tests.
    pub(super) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.starts_with("tests/")
    }

    /// Whether the file is an intentionally wrong program, which tests the messages of the macros.
    pub(super) fn is_specimen(&self) -> bool {
        self.path.contains("/ui/")
    }

    pub(super) fn is_source(&self) -> bool {
        self.is_rust() && self.path.contains("/src/")
    }
}

/// Violation of a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) line: usize,
    /// Description of the violation and its fix.
    pub(super) text: String,
}

impl Finding {
    pub(super) fn new(file: &File, line: usize, what: &str, mend: &str) -> Self {
        Self { path: file.path.clone(), line, text: format!("{what}; {mend}") }
    }
}

/// Returns every text file that is tracked or not ignored by Git.
pub(crate) fn files(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-co", "--exclude-standard", "-z"]);
    let list =
        process::output(&mut git).context("cannot list the files of the repository with Git")?;
    let mut files = Vec::new();
    for path in list.split_terminator('\0') {
        // Skips files deleted in the working tree, links, and files that are not text.
        let Ok(bytes) = fs::read(root.join(path)) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        files.push(File { path: path.to_owned(), text });
    }
    Ok(files)
}

/// Returns a file for the tests of the rules.
#[cfg(test)]
pub(super) fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

/// Compares findings in their printed form, up to the semicolon.
#[cfg(test)]
#[track_caller]
pub(super) fn assert_findings(findings: &[Finding], expected: &[&str]) {
    let shown: Vec<_> = findings
        .iter()
        .map(|Finding { line, text, .. }| {
            format!("{line}: {}", text.split(';').next().unwrap_or_default())
        })
        .collect();
    assert_eq!(shown, expected);
}
