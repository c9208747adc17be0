//! `cargo xtask tidy`: the rules of this repository that no compiler knows.
//!
//! Each rule is a function from a file's text to findings, and has its own module. This file finds the files, applies
//! the rules to those they are for, and prints. It changes nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

mod codes;
mod items;
mod layers;
mod manifest;
mod readme;
mod shape;
mod text;

/// A file of the repository; its path is relative to the root and has slashes.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Tests may be longer than what they test: files named so, and those of the package of system tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.starts_with("tests/")
    }

    /// A program that is wrong on purpose, so that the macros' messages can be tested.
    fn is_specimen(&self) -> bool {
        self.path.contains("/ui/")
    }

    fn is_source(&self) -> bool {
        self.is_rust() && self.path.contains("/src/")
    }
}

/// Something to change.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    /// What is wrong, and what to do about it.
    text: String,
}

impl Finding {
    fn new(file: &File, line: usize, what: &str, mend: &str) -> Self {
        Self { path: file.path.clone(), line, text: format!("{what}; {mend}") }
    }
}

/// Prints the findings; whether there are none.
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
    if file.is_rust() && !file.is_specimen() {
        findings.extend(shape::check(file));
        findings.extend(items::check(file));
        findings.extend(layers::check(file));
    }
    findings
}

/// Path and text of every file that [`run`] checks.
pub(crate) fn texts(root: &Path) -> Result<Vec<(String, String)>> {
    Ok(files(root)?.into_iter().map(|file| (file.path, file.text)).collect())
}

/// Every file that is tracked or could be: what Git ignores is not looked at, nor what is no text.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-co", "--exclude-standard", "-z"]);
    let list = process::output(&mut git).context("Git is needed to tell which files count")?;
    let mut files = Vec::new();
    for path in list.split_terminator('\0') {
        // Listed, but deleted in the working tree, or a link to somewhere else, or no text.
        let Ok(bytes) = fs::read(root.join(path)) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        files.push(File { path: path.to_owned(), text });
    }
    Ok(files)
}

/// A file for the tests of the rules.
#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}

/// Compares findings in the form in which they are printed, as far as the semicolon.
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
