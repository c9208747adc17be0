//! The README's first object: its code, its commands, and what they print.
//!
//! The block marked `rust` is put into a new project, and the lines of the block marked `console` are carried out: what
//! follows `$ ` is a command, and the lines after it are what it prints.

use std::path::Path;
use std::process::Command;

use highlander_tests::artifacts;
use highlander_tests::command::{Ended, highlander, run_for_long};
use highlander_tests::node::{Node, Options};

use crate::projects::TARGET;

/// Where a node listens unless it is told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:7410";

#[tokio::test]
async fn the_first_object_prints_what_the_readme_says() {
    let readme = artifacts::text("README.md").expect("there is a README.md");
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("hits");
    let node = Node::start(Options::new()).await;
    let console = block(&readme, "console");
    let mut commands = console.split("$ ").skip(1).map(|text| text.split_once('\n').unwrap());
    let (new, _) = commands.next().expect("the first command makes the project");
    let made = highlander().run_in(folder.path(), &arguments(new)).await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    std::fs::write(project.join("src/lib.rs"), block(&readme, "rust")).unwrap();
    for (command, printed) in commands {
        // The node of this test is running already, and the commands are run in the project's folder.
        if command.starts_with("cd ") || command.starts_with("highlander dev") {
            continue;
        }
        let ended = carry_out(&node, &project, command).await;
        assert_eq!(ended.code, 0, "{command}: {}", ended.stderr);
        assert_eq!(ended.stdout.trim_end(), printed.trim_end(), "{command}");
    }
}

async fn carry_out(node: &Node, project: &Path, line: &str) -> Ended {
    let line = line.replace("target/", &format!("{TARGET}/")).replace(DEFAULT_URL, node.url());
    let mut arguments = arguments(&line);
    if line.starts_with("highlander ") {
        return highlander().url(node.url()).run_in(project, &arguments).await;
    }
    let mut command = Command::new(line.split(' ').next().unwrap());
    if line.starts_with("curl ") {
        arguments.insert(0, "-fsS");
    }
    command.current_dir(project).args(arguments).env("CARGO_TARGET_DIR", TARGET);
    run_for_long(command).await
}

/// The words of a command but for the first.
fn arguments(line: &str) -> Vec<&str> {
    line.split(' ').skip(1).collect()
}

/// The first code block with this mark.
fn block<'a>(markdown: &'a str, mark: &str) -> &'a str {
    let start = format!("```{mark}\n");
    let from = markdown.find(&start).expect("the block is there") + start.len();
    &markdown[from..from + markdown[from..].find("```").expect("the block ends")]
}
