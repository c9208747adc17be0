//! Steps that run beside the tests, in a process of their own with the lowest priority.
//!
//! System tests wait for much of their time. The other process uses what they leave, and its output is shown when it
//! has ended, so that the outputs do not mix.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context, Result, anyhow, ensure};

use super::{Run, Step};
use crate::process;

/// The other process and its steps.
#[derive(Debug)]
pub(super) struct BesideTests {
    steps: Vec<Step>,
    /// This program. Its path is read before a step builds it anew, because the running one is deleted then.
    program: io::Result<PathBuf>,
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    child: Child,
    output: File,
}

impl BesideTests {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { steps, program: std::env::current_exe(), started: None }
    }

    /// Starts the steps, unless they have been started.
    pub(super) fn start(&mut self) {
        if self.steps.is_empty() || self.started.is_some() {
            return;
        }
        match start(&self.program, &self.steps) {
            Ok(started) => self.started = Some(started),
            // They run after the tests.
            Err(error) => {
                eprintln!("cannot run {} beside the tests: {error:#}", names(&self.steps));
            }
        }
    }
}

impl Drop for BesideTests {
    /// Ends the other process if the run has not waited for it.
    fn drop(&mut self) {
        if let Some(started) = &mut self.started {
            let _ = started.child.kill();
            let _ = started.child.wait();
        }
    }
}

/// Waits for the steps, shows their output, and adds their outcome to that of the run.
pub(super) fn finish(run: &mut Run) {
    let steps = run.beside.steps.clone();
    if steps.is_empty() {
        return;
    }
    if run.failed.contains(&Step::Setup) {
        println!("{}: not run, because {} failed", names(&steps), Step::Setup.name());
        run.counts.skip_steps(steps.len());
        run.failed.extend(steps);
        return;
    }
    run.beside.start();
    println!("waiting for {} …", names(&steps));
    match wait(run.beside.started.take()) {
        Ok((succeeded, output)) => {
            let outcome = Outcome::read(&output, &steps);
            print!("{}", outcome.shown);
            run.counts.skip_steps(outcome.skipped);
            for step in &outcome.failed {
                run.counts.fail_step();
                run.failed.insert(*step);
            }
            if !succeeded && outcome.failed.is_empty() {
                fail_all(run, &steps);
            }
        }
        Err(error) => {
            println!("{}: FAILED: {error:#}", names(&steps));
            fail_all(run, &steps);
        }
    }
}

fn fail_all(run: &mut Run, steps: &[Step]) {
    run.counts.fail_step();
    run.failed.extend(steps);
}

fn start(program: &io::Result<PathBuf>, steps: &[Step]) -> Result<Started> {
    let program = program.as_ref().map_err(|error| anyhow!("cannot find this program: {error}"))?;
    let output = tempfile::tempfile()?;
    let mut command = if process::is_in_path("nice") {
        let mut nice = Command::new("nice");
        nice.args(["-n", "19"]).arg(program);
        nice
    } else {
        Command::new(program)
    };
    command.args(["test", "--only", &names(steps)]);
    command.stdout(output.try_clone()?).stderr(output.try_clone()?);
    let child = command.spawn().context("cannot start the process")?;
    println!("{} run beside the tests; their output is shown when they have ended", names(steps));
    Ok(Started { child, output })
}

/// Waits for the other process, and returns whether it succeeded and what it printed.
fn wait(started: Option<Started>) -> Result<(bool, String)> {
    let mut started = started.context("the process could not be started")?;
    let status = started.child.wait()?;
    let mut output = Vec::new();
    started.output.seek(io::SeekFrom::Start(0))?;
    started.output.read_to_end(&mut output)?;
    ensure!(!output.is_empty(), "the process printed nothing and ended with {status}");
    Ok((status.success(), String::from_utf8_lossy(&output).into_owned()))
}

/// Outcome of the steps, read from the output of the process.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    failed: Vec<Step>,
    skipped: usize,
    /// The output without its conclusion: a run ends with one summary.
    shown: String,
}

impl Outcome {
    fn read(output: &str, steps: &[Step]) -> Self {
        let mut outcome = Self { failed: Vec::new(), skipped: 0, shown: String::new() };
        for line in output.lines() {
            let failed = line.strip_prefix("failed: ").and_then(|line| line.split(';').next());
            let skipped = line.split_once(" failed, ").and_then(|(_, rest)| {
                rest.strip_suffix(" skipped").and_then(|count| count.parse::<usize>().ok())
            });
            if let Some(name) = failed {
                outcome.failed.extend(steps.iter().filter(|step| step.name() == name));
            } else if let Some(count) = skipped {
                outcome.skipped = count;
            } else {
                outcome.shown.push_str(line);
                outcome.shown.push('\n');
            }
        }
        outcome
    }
}

fn names(steps: &[Step]) -> String {
    let names: Vec<_> = steps.iter().map(|step| step.name()).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_read_from_the_output() {
        let output = "[1/2] clippy …\n[1/2] clippy: FAILED after 1.0 s: broken\n[2/2] doc …\n\
                      \nfailed: clippy; to repeat it, run `cargo xtask test --only clippy`\n\
                      0 passed, 1 failed, 2 skipped\n";
        let outcome = Outcome::read(output, &[Step::Clippy, Step::Doc]);
        assert_eq!(outcome.failed, [Step::Clippy]);
        assert_eq!(outcome.skipped, 2);
        assert!(outcome.shown.ends_with("[2/2] doc …\n\n"), "{outcome:?}");
    }

    #[test]
    fn steps_that_end_well_fail_nothing() {
        let outcome = Outcome::read(
            "[1/1] doc: done in 1.0 s\n0 passed, 0 failed, 0 skipped\n",
            &[Step::Doc],
        );
        assert_eq!((outcome.failed.len(), outcome.skipped), (0, 0));
    }
}
