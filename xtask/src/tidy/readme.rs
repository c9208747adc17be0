//! The rule that README and scripts do not differ: every command line of the demo and of the cluster stands in
//! README.md.
//!
//! Which lines these are, and that they work, is the scripts'.

use super::{File, Finding};
use crate::{cluster, demo};

const README: &str = "README.md";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    // A checkout that has no README yet has nothing that could differ.
    let Some(readme) = files.iter().find(|file| file.path == README) else { return Vec::new() };
    let mut findings = missing(readme, "demo", &demo::command_lines());
    findings.extend(missing(readme, "cluster", &cluster::command_lines()));
    findings
}

fn missing(readme: &File, script: &str, lines: &[String]) -> Vec<Finding> {
    let absent = lines.iter().filter(|line| !readme.text.contains(line.as_str()));
    let found = |line: &String| {
        let what = format!("the {script}'s `{line}` is not here");
        Finding::new(readme, 1, &what, &format!("compare with `cargo xtask {script} --print`"))
    };
    absent.map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{assert_findings, file};
    use super::*;

    #[test]
    fn a_line_that_is_not_in_the_readme_is_found() {
        let readme = file(README, "```\nhighlander get todo/42\n```\n");
        let lines = ["highlander get todo/42".to_owned(), "highlander list todo".to_owned()];
        let expected = ["1: the demo's `highlander list todo` is not here"];
        assert_findings(&missing(&readme, "demo", &lines), &expected);
    }

    #[test]
    fn without_a_readme_there_is_nothing_to_compare() {
        assert_findings(&check(&[]), &[]);
    }
}
