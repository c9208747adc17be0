//! `cargo xtask test` and `cargo xtask ci`: all checks in order, and a summary at the end.
//!
//! Each step is a command that a developer could run, and reports how to repeat it alone. A failed step stops only
//! the steps that depend on it. The last line of the output is always the summary.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::process::{self, Stopwatch};
use crate::script::Options as ScriptOptions;
use crate::workspace::{self, Workspace};
use crate::{cluster, demo, deny, guests, install, msrv, tidy};

mod iterations;
mod test_summary;

use test_summary::TestSummary;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these steps
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<Step>,
    /// List the steps
    #[arg(long)]
    list: bool,
    /// Repeat tests of faults until their results are reliable, which takes hours; prints the numbers of
    /// repetitions
    #[arg(long)]
    soak: bool,
}

/// Number of repetitions of tests of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Iterations {
    /// As many as fit into a normal run.
    Few,
    /// As many as give reliable results.
    Soak,
}

/// Environment variable that selects [`Iterations::Soak`] in the tests.
const SOAK_VARIABLE: &str = "HIGHLANDER_SOAK";

/// Environment variable of the test harness: number of tests that a test binary runs at once.
const THREADS_VARIABLE: &str = "RUST_TEST_THREADS";
/// Tests per processor. Most system tests wait for other processes and for time.
const TESTS_PER_PROCESSOR: usize = 2;

/// Steps, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Step {
    /// install what the tests need
    Setup,
    /// cargo fmt --check
    Fmt,
    /// rules of this repository
    Tidy,
    /// cargo clippy, warnings are errors
    Clippy,
    /// components for the tests
    BuildGuests,
    /// host and tests, without running them
    Build,
    /// unit, conformance, macro, documentation and system tests
    Test,
    /// cargo xtask demo --once
    Demo,
    /// cargo xtask cluster --once
    Cluster,
    /// cargo doc, warnings are errors
    Doc,
    /// the command-line client alone, without the node
    Client,
    /// the SDK with its oldest Rust version
    Msrv,
    /// versions, licences, sources and advisories of dependencies
    Deny,
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// Returns the steps that must succeed before this one can.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::BuildGuests
            | Self::Clippy
            | Self::Build
            | Self::Doc
            | Self::Client
            | Self::Msrv => &[Self::Setup],
            Self::Test | Self::Demo | Self::Cluster => {
                &[Self::Setup, Self::BuildGuests, Self::Build]
            }
            Self::Setup | Self::Fmt | Self::Tidy | Self::Deny => &[],
        }
    }

    fn run(self, counts: &mut TestSummary, iterations: Iterations) -> Result<()> {
        let root = workspace::root()?;
        match self {
            Self::Setup => {
                install::ensure_all(&root)?;
                let target = Workspace::load()?.target;
                install::ensure_ministack(&target)?;
                install::ensure_typescript(&root, &target)?;
                install::ensure_python(&root, &target)?;
                install::ensure_browser()
            }
            Self::Fmt => process::run(process::cargo(&root).args(["fmt", "--all", "--check"])),
            Self::Tidy if tidy::run(&root)? => Ok(()),
            Self::Tidy => bail!("there are findings"),
            Self::Clippy => {
                let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
                process::run(process::cargo(&root).args(arguments))
            }
            Self::BuildGuests => guests::build_all(),
            // With all targets, so that dependencies get the same features as in `cargo test`, and the host for
            // the system tests is not built a second time.
            Self::Build => {
                process::run(process::cargo(&root).args(["build", "--workspace", "--all-targets"]))
            }
            Self::Test => run_tests(counts, iterations),
            // With the build of the tests: a release build would take as long as everything else.
            Self::Demo => demo::run(&ScriptOptions::check()).map(drop),
            Self::Cluster => cluster::run(&ScriptOptions::check()).map(drop),
            Self::Doc => {
                let mut command = process::cargo(&root);
                command.env("RUSTDOCFLAGS", "-D warnings");
                // With examples, so that dependencies get the same features as in `cargo clippy --all-targets`, and are
                // not checked a second time. That needs a list of the binaries without a library.
                command.args(["doc", "--workspace", "--no-deps", "--lib", "--examples"]);
                process::run(command.args(["--bin", "highlander-bench", "--bin", "xtask"]))
            }
            Self::Client => {
                let mut command = process::cargo(&root);
                command.args(["check", "--package", "highlander", "--no-default-features"]);
                process::run(&mut command)
            }
            Self::Msrv => {
                let target = Workspace::load()?.target;
                if let msrv::Outcome::NoToolchain = msrv::check(&root, &target)? {
                    counts.skip_step();
                }
                Ok(())
            }
            Self::Deny => {
                let target = Workspace::load()?.target;
                if let deny::Outcome::NoAdvisories = deny::check(&root, &target)? {
                    counts.skip_step();
                }
                Ok(())
            }
        }
    }
}

/// Runs `cargo xtask test`.
pub(crate) fn test(options: &Options) -> Result<ExitCode> {
    let steps: Vec<_> = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| match &*options.only {
            // The installation of cargo-deny takes longer than any other step.
            [] => *step != Step::Deny,
            only => only.contains(step),
        })
        .collect();
    if options.list {
        for step in steps {
            println!("{:14} {}", step.name(), step.about());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let iterations = if options.soak { Iterations::Soak } else { Iterations::Few };
    Ok(run_steps(&steps, |step, counts| step.run(counts, iterations)))
}

/// Runs `cargo xtask ci`.
pub(crate) fn ci() -> Result<ExitCode> {
    let run = |step: Step, counts: &mut TestSummary| step.run(counts, Iterations::Few);
    Ok(run_steps(Step::value_variants(), run))
}

fn run_steps(steps: &[Step], run: impl Fn(Step, &mut TestSummary) -> Result<()>) -> ExitCode {
    let mut counts = TestSummary::default();
    let mut failed = BTreeSet::new();
    for (index, step) in steps.iter().copied().enumerate() {
        let head = format!("[{}/{}] {}", index + 1, steps.len(), step.name());
        if let Some(needed) = step.needs().iter().find(|needed| failed.contains(*needed)) {
            println!("{head}: not run, because {} failed", needed.name());
            counts.skip_step();
            failed.insert(step);
            continue;
        }
        println!("{head} …");
        let watch = Stopwatch::start();
        let failed_before = counts.failed;
        let outcome = run(step, &mut counts);
        let took = watch.elapsed().as_secs_f64();
        if let Err(error) = outcome {
            println!("{head}: FAILED after {took:.1} s: {error:#}");
            // Failed tests are already counted; any other failure must appear in the summary too.
            if counts.failed == failed_before {
                counts.fail_step();
            }
            failed.insert(step);
        } else {
            println!("{head}: done in {took:.1} s");
        }
    }
    conclude(&failed, counts)
}

fn conclude(failed: &BTreeSet<Step>, counts: TestSummary) -> ExitCode {
    println!();
    for step in failed {
        println!("failed: {0}; to repeat it, run `cargo xtask test --only {0}`", step.name());
    }
    println!("{counts}");
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the tests of all packages to the end, regardless of failures, and counts them.
fn run_tests(counts: &mut TestSummary, iterations: Iterations) -> Result<()> {
    let workspace = Workspace::load()?;
    let mut command = process::cargo(&workspace.root);
    command.env("HIGHLANDER_BIN", workspace.target.join("debug/highlander"));
    command.env("HIGHLANDER_GUESTS", workspace.guests_folder());
    if iterations == Iterations::Soak {
        iterations::print(&workspace.root)?;
        command.env(SOAK_VARIABLE, "1");
    } else {
        command.env_remove(SOAK_VARIABLE);
    }
    if std::env::var_os(THREADS_VARIABLE).is_none() {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        command.env(THREADS_VARIABLE, (TESTS_PER_PROCESSOR * processors).to_string());
    }
    command.args(["test", "--workspace", "--no-fail-fast"]);
    if iterations == Iterations::Soak {
        // The tests print figures, which are the purpose of a soak.
        command.args(["--", "--show-output"]);
    }
    let outcome = process::run_with_lines(&mut command, |line| counts.add_line(line));
    if outcome.is_ok() && counts.passed == 0 {
        bail!("no tests ran");
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 4] = [Step::Setup, Step::Fmt, Step::Build, Step::Test];

    #[test]
    fn all_steps_run_in_order() {
        let ran = std::cell::RefCell::new(Vec::new());
        let code = run_steps(&STEPS, |step, _| {
            ran.borrow_mut().push(step);
            Ok(())
        });
        assert_eq!(ran.into_inner(), STEPS);
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    }

    #[test]
    fn a_failure_stops_only_what_needs_the_step() {
        let ran = std::cell::RefCell::new(Vec::new());
        let code = run_steps(&STEPS, |step, _| {
            ran.borrow_mut().push(step);
            if step == Step::Build {
                bail!("broken");
            }
            Ok(())
        });
        assert_eq!(ran.into_inner(), [Step::Setup, Step::Fmt, Step::Build]);
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}
