//! The commands in the user documentation work. `cargo xtask cluster --once`, a step of `cargo xtask test`, runs
//! the README's section on clusters, and `cargo xtask tidy` compares the two line by line.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use highlander_services::ports;
use highlander_tests::artifacts;
use highlander_tests::command;
use highlander_tests::script::{self, Step};

use crate::projects::TARGET;

/// Replacement for `cargo`: it reuses the artifacts that the tests were built with, and provides only those
/// requested.
const CARGO: &str = r#"#!/bin/bash
set -eu
if [ "$*" = "build --profile quick --package highlander --no-default-features --features embedded" ]; then
    mkdir -p target/quick && ln -s "$BINARY" target/quick/highlander
elif [ "${1:-} ${2:-}" = "xtask build-guests" ]; then
    mkdir -p target/guests && for guest in "${@:3}"; do cp "$GUESTS/$guest.wasm" target/guests/; done
elif [ "${1:-}" = xtask ]; then
    echo "cargo xtask ${2:-} is not for this script" >&2; exit 1
else
    # The dependencies take a while to compile, and are kept between two runs.
    [ -e target ] || ln -s "$PROJECTS" target
    exec "$REAL_CARGO" "$@"
fi
"#;

#[tokio::test]
async fn every_block_of_the_readme_works_in_order() {
    let readme = artifacts::text("README.md").expect("README.md exists");
    let steps = script::steps(&without_cluster(&readme));
    let count = |is: fn(&Step) -> bool| steps.iter().filter(|step| is(step)).count();
    assert!(count(|step| matches!(step, Step::Run(_, None))) > 0, "no block is marked `sh`");
    assert!(
        count(|step| matches!(step, Step::Run(_, Some(_)))) > 0,
        "no block is marked `console`"
    );
    assert_eq!(
        count(|step| matches!(step, Step::Source(_))),
        1,
        "expected one block with a whole object"
    );
    check_mentions(&steps).await;

    let folder = tempfile::tempdir().unwrap();
    let made = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let (checkout, outputs, bin) = (made("checkout"), made("outputs"), made("bin"));
    std::fs::create_dir_all(TARGET).unwrap();
    let address = ports::free_address().unwrap().to_string();
    let mut shell = shell(&steps, &address, &outputs);
    std::fs::write(bin.join("cargo"), CARGO).unwrap();
    std::fs::set_permissions(bin.join("cargo"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    shell.current_dir(&checkout).env("PATH", format!("{}:{path}", bin.display()));
    shell.env("TMPDIR", made("tmp")).env("REAL_CARGO", real_cargo()).env("PROJECTS", TARGET);
    shell.env("BINARY", std::fs::canonicalize(artifacts::binary()).unwrap());
    shell.env("GUESTS", std::fs::canonicalize(artifacts::guests_folder()).unwrap());
    shell.env_remove("CARGO_TARGET_DIR");
    let ended = command::run_for_long(shell).await;
    assert_eq!(ended.code, 0, "{}\n{}", ended.stderr, ended.stdout);
    for (number, step) in steps.iter().enumerate() {
        let Step::Run(line, Some(expected)) = step else { continue };
        let printed = std::fs::read_to_string(outputs.join(number.to_string())).unwrap();
        assert_eq!(printed.trim_end(), expected, "{line}");
    }
}

/// Builds a command that runs the whole document as one script, for a node at this address.
fn shell(steps: &[Step], address: &str, outputs: &Path) -> Command {
    let script = script::script(steps, address, outputs);
    // Set within the script, because the runner removes such variables from the environment.
    let variables = format!(
        "export HIGHLANDER_NODE__LISTEN={address} HIGHLANDER_URL=http://{address}\n{script}"
    );
    let mut shell = Command::new("bash");
    shell.args(["-c", &variables]);
    shell
}

/// Removes the section on clusters.
fn without_cluster(readme: &str) -> String {
    let (before, section) = readme.split_once("\n## A cluster\n").expect("a section on clusters");
    let after = section.split_once("\n## ").map_or("", |(_, after)| after);
    format!("{before}\n## {after}")
}

/// Checks that every `cargo xtask` command that is only shown exists.
async fn check_mentions(steps: &[Step]) {
    let mut help = Command::new(artifacts::xtask());
    help.current_dir(artifacts::repository()).arg("--help");
    let help = command::run_for_long(help).await.done().stdout;
    let known: Vec<_> = help.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut count = 0;
    for step in steps {
        let Step::Mention(line) = step else { continue };
        let name = line.strip_prefix("cargo xtask ").and_then(|rest| rest.split(' ').next());
        let name = name.unwrap_or_else(|| panic!("no test checks whether `{line}` works"));
        assert!(known.contains(&name), "`cargo xtask {name}` does not exist:\n{help}");
        count += 1;
    }
    assert!(count > 0, "README.md does not mention `cargo xtask demo`");
}

fn real_cargo() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("cargo"));
    found.find(|cargo| cargo.is_file()).expect("cargo must be in the path")
}
