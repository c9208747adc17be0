//! Rule: README and scripts agree. README.md contains every command line of the demo and of the cluster. Every
//! line in its section on clusters is part of the cluster's script, so that a test runs it.

use super::file::{File, Finding};
use crate::{cluster, demo};

const README: &str = "README.md";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    // A checkout without a README has nothing to compare.
    let Some(readme) = files.iter().find(|file| file.path == README) else { return Vec::new() };
    let mut findings = missing(readme, "demo", &demo::command_lines());
    let cluster = cluster::command_lines();
    findings.extend(missing(readme, "cluster", &cluster));
    findings.extend(untested(readme, &cluster));
    findings
}

/// Returns lines of blocks in the section on clusters that the cluster's script does not run.
fn untested(readme: &File, lines: &[String]) -> Vec<Finding> {
    let (mut is_cluster, mut is_block, mut findings) = (false, false, Vec::new());
    for (index, line) in readme.text.lines().enumerate() {
        if line.starts_with("## ") {
            is_cluster = line == "## A cluster";
        } else if line.starts_with("```") {
            is_block = !is_block;
        } else if is_cluster && is_block && !line.is_empty() && !lines.iter().any(|run| run == line)
        {
            let what = format!("`{line}` is not run by `cargo xtask cluster --once`");
            findings.push(Finding::new(
                readme,
                index + 1,
                &what,
                "add it to cluster/script_steps.rs",
            ));
        }
    }
    findings
}

fn missing(readme: &File, script: &str, lines: &[String]) -> Vec<Finding> {
    let absent = lines.iter().filter(|line| !readme.text.contains(line.as_str()));
    let found = |line: &String| {
        let what = format!("`{line}` of the {script} is missing");
        Finding::new(readme, 1, &what, &format!("compare with `cargo xtask {script} --print`"))
    };
    absent.map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::super::file::{assert_findings, file};
    use super::*;

    #[test]
    fn a_line_that_is_not_in_the_readme_is_found() {
        let readme = file(README, "```\nhighlander get todo/42\n```\n");
        let lines = ["highlander get todo/42".to_owned(), "highlander list todo".to_owned()];
        let expected = ["1: `highlander list todo` of the demo is missing"];
        assert_findings(&missing(&readme, "demo", &lines), &expected);
    }

    #[test]
    fn a_line_on_clusters_that_no_script_runs_is_found() {
        let text = "```sh\nelsewhere\n```\n## A cluster\nprose\n```sh\na\nb\n```\n## Next\n```sh\nc\n```\n";
        let findings = untested(&file(README, text), &["a".to_owned()]);
        assert_findings(&findings, &["8: `b` is not run by `cargo xtask cluster --once`"]);
    }

    #[test]
    fn without_a_readme_there_is_nothing_to_compare() {
        assert_findings(&check(&[]), &[]);
    }
}
