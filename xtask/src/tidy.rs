//! `cargo xtask tidy`: rules of this repository that the compiler does not enforce.
//!
//! Each rule is a function from a file's text to findings, in a separate module. This file lists the files,
//! applies the rules, and prints the findings. It changes nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

mod codes;
mod layers;
mod manifest;
mod names;
mod prose;
mod readme;
mod shape;
mod text;

/// File of the repository; its path is relative to the root and uses slashes.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the file contains tests, which may be longer: by its name, or in the package of system tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.starts_with("tests/")
    }

    /// Whether the file is an intentionally wrong program, which tests the messages of the macros.
    fn is_specimen(&self) -> bool {
        self.path.contains("/ui/")
    }

    fn is_source(&self) -> bool {
        self.is_rust() && self.path.contains("/src/")
    }
}

/// Violation of a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    /// Description of the violation and its fix.
    text: String,
}

impl Finding {
    fn new(file: &File, line: usize, what: &str, mend: &str) -> Self {
        Self { path: file.path.clone(), line, text: format!("{what}; {mend}") }
    }
}

/// Prints the findings, and returns whether there are none.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let files = files(root)?;
    let mut findings: Vec<_> = files.iter().flat_map(check_file).collect();
    findings.extend(codes::check(&files));
    findings.extend(readme::check(&files));
    findings.sort();
    for Finding { path, line, text } in &findings {
        println!("{path}:{line}: {text}");
    }
    println!("tidy: {} files, {} findings", files.len(), findings.len());
    Ok(findings.is_empty())
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = text::check(file);
    findings.extend(manifest::check(file));
    findings.extend(prose::check(file));
    findings.extend(names::check(file));
    if file.is_rust() && !file.is_specimen() {
        findings.extend(shape::check(file));
        findings.extend(layers::check(file));
    }
    findings
}

/// Returns path and text of every file that [`run`] checks.
pub(crate) fn texts(root: &Path) -> Result<Vec<(String, String)>> {
    Ok(files(root)?.into_iter().map(|file| (file.path, file.text)).collect())
}

/// Returns every text file that is tracked or not ignored by Git.
fn files(root: &Path) -> Result<Vec<File>> {
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
fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

/// Compares findings in their printed form, up to the semicolon.
#[cfg(test)]
#[track_caller]
fn assert_findings(findings: &[Finding], expected: &[&str]) {
    let shown: Vec<_> = findings
        .iter()
        .map(|Finding { line, text, .. }| {
            format!("{line}: {}", text.split(';').next().unwrap_or_default())
        })
        .collect();
    assert_eq!(shown, expected);
}
