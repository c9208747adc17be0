//! What is written for users is what works. The demo is a step of its own in `cargo xtask test`.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use highlander_tests::artifacts;
use highlander_tests::command;
use highlander_tests::script::{self, Line};

#[tokio::test]
async fn the_commands_in_the_readme_work() {
    let Some(readme) = artifacts::text("README.md") else {
        eprintln!("skipped: there is no README.md");
        return;
    };
    let lines = script::lines(&without_cluster(&readme));
    assert!(!lines.is_empty(), "README.md has no block marked `sh`");
    check_xtask(&lines).await;

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("target")).unwrap();
    let guests = std::fs::canonicalize(artifacts::guests_folder()).unwrap();
    std::os::unix::fs::symlink(guests, folder.path().join("target/guests")).unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    let binary = std::fs::canonicalize(artifacts::binary()).unwrap();
    std::os::unix::fs::symlink(binary, folder.path().join("bin/highlander")).unwrap();

    let address = free_address();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("bash");
    command::clear_environment(&mut shell);
    shell.current_dir(folder.path()).args(["-c", &script::script(&lines, &address)]);
    shell.env("PATH", format!("{}:{path}", folder.path().join("bin").display()));
    shell
        .env("HIGHLANDER_NODE__LISTEN", &address)
        .env("HIGHLANDER_URL", format!("http://{address}"));
    let ended = command::run(shell, &[], Stdio::piped()).await;
    assert_eq!(ended.code, 0, "{}\n{}", ended.stderr, ended.stdout);
}

/// What is said of a cluster needs one: `cargo xtask cluster --once`, a step of `cargo xtask test`, runs those
/// commands.
fn without_cluster(readme: &str) -> String {
    let Some((before, section)) = readme.split_once("\n## A cluster\n") else {
        return readme.to_owned();
    };
    let after = section.split_once("\n## ").map_or("", |(_, after)| after);
    format!("{before}\n## {after}")
}

/// Every `cargo xtask` that is named is a command of it.
async fn check_xtask(lines: &[Line]) {
    let mut named = lines.iter().filter_map(|line| match line {
        Line::Xtask(name) => Some(name),
        _ => None,
    });
    let Some(first) = named.next() else { return };
    let mut help = Command::new("cargo");
    help.current_dir(artifacts::repository()).args(["xtask", "--help"]);
    let help = command::run_for_long(help).await.done().stdout;
    let known: Vec<_> = help.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in [first].into_iter().chain(named) {
        assert!(known.contains(&name.as_str()), "`cargo xtask {name}` is not there:\n{help}");
    }
}

/// An address that is free now. A command may not say `port 0` to another one, so that a small chance of a collision
/// is left.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
