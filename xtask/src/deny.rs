//! Check of the dependencies with cargo-deny: versions, licences, sources, and advisories about vulnerabilities.
//!
//! The advisories are in a database that cargo-deny downloads. Without it, only their check is skipped.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Program, and the name of its package.
const PROGRAM: &str = "cargo-deny";
/// Version that is installed if there is none.
const VERSION: &str = "0.20.2";

/// Outcome of the check, unless there are findings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All checks passed.
    Complete,
    /// The database of advisories cannot be downloaded; all other checks passed.
    NoAdvisories,
}

/// Runs all checks. If cargo-deny is missing, installs it into a folder below `target`, which takes minutes.
pub(crate) fn check(root: &Path, target: &Path) -> Result<Outcome> {
    let program = ensure_installed(root, &target.join("tools"))?;
    check_with(|| {
        let mut command = Command::new(&program);
        command.current_dir(root);
        command
    })
}

/// Runs all checks with a program that takes the arguments of cargo-deny.
fn check_with(deny: impl Fn() -> Command) -> Result<Outcome> {
    process::run(deny().args(["check", "bans", "licenses", "sources"]))?;
    // Separately, because the exit status of the check does not distinguish a missing database from a finding.
    if let Err(error) = process::run(deny().args(["fetch", "db"])) {
        println!("advisories are skipped: the database cannot be downloaded: {error:#}");
        return Ok(Outcome::NoAdvisories);
    }
    process::run(deny().args(["check", "--disable-fetch", "advisories"]))?;
    Ok(Outcome::Complete)
}

fn ensure_installed(root: &Path, folder: &Path) -> Result<PathBuf> {
    if process::is_in_path(PROGRAM) {
        return Ok(PROGRAM.into());
    }
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let of_user = home.map(|home| home.join("bin").join(PROGRAM)).filter(|path| path.is_file());
    if let Some(path) = of_user {
        return Ok(path);
    }
    // Cargo returns at once if this version is installed.
    let mut cargo = process::cargo(root);
    cargo.args(["install", "--locked", "--version", VERSION, "--root"]).arg(folder).arg(PROGRAM);
    process::run(&mut cargo).context("cannot install cargo-deny, which checks the dependencies")?;
    Ok(folder.join("bin").join(PROGRAM))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the checks with a shell script in place of cargo-deny. Returns the outcome and the arguments of each run.
    fn checked(script: &str) -> (Result<Outcome>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let outcome = check_with(|| {
            let mut command = Command::new("sh");
            command.env("LOG", &log).args([
                "-c",
                &format!("echo \"$*\" >> \"$LOG\"; {script}"),
                "deny",
            ]);
            command
        });
        let log = std::fs::read_to_string(log).unwrap();
        (outcome, log.lines().map(str::to_owned).collect())
    }

    const OTHERS: &str = "check bans licenses sources";
    const FETCH: &str = "fetch db";
    const ADVISORIES: &str = "check --disable-fetch advisories";

    #[test]
    fn advisories_are_checked_with_the_database_that_was_downloaded_before() {
        let (outcome, runs) = checked("exit 0");
        assert_eq!(outcome.unwrap(), Outcome::Complete);
        assert_eq!(runs, [OTHERS, FETCH, ADVISORIES]);
    }

    #[test]
    fn without_a_database_only_the_advisories_are_skipped() {
        let (outcome, runs) = checked("[ \"$1\" = check ]");
        assert_eq!(outcome.unwrap(), Outcome::NoAdvisories);
        assert_eq!(runs, [OTHERS, FETCH]);
    }

    #[test]
    fn a_finding_is_a_failure() {
        let (outcome, runs) = checked("exit 4");
        assert!(outcome.unwrap_err().to_string().contains(OTHERS));
        assert_eq!(runs, [OTHERS]);
        let (outcome, runs) = checked("[ \"$2\" != --disable-fetch ]");
        assert!(outcome.unwrap_err().to_string().contains(ADVISORIES));
        assert_eq!(runs, [OTHERS, FETCH, ADVISORIES]);
    }
}
