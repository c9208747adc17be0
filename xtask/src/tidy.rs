//! `cargo xtask tidy`: rules of this repository that the compiler does not enforce.
//!
//! Each rule is a function from a file's text to findings, in a separate module. This file
//! applies the rules and prints the findings. It changes nothing.

use std::path::Path;

use anyhow::Result;

use self::file::{File, Finding, files};

mod circles;
mod codes;
pub(crate) mod file;
mod layers;
mod manifest;
mod names;
mod paths;
mod prose;
mod readme;
mod shape;
mod text;

/// Prints the findings, and returns whether there are none.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let files = files(root)?;
    let mut findings: Vec<_> = files.iter().flat_map(check_file).collect();
    findings.extend(circles::check(&files));
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
