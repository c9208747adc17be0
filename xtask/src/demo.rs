//! `cargo xtask demo`: the walkthrough of README.md, shown and checked line by line.
//!
//! The script is data, in `lines.rs`; this file runs it. A shell runs every command line, and its output is
//! compared with the expected one, so that `demo --once` is a test. The node's data is in a temporary folder,
//! removed when the demo ends.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use highlander_services::ports;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use crate::expect::Expect;
use crate::node::Node;
use crate::process::Stopwatch;
use crate::script::{self, Options, Step};
use crate::shell::{self, Shell};
use crate::workspace::Workspace;
use crate::{guests, install, process};

mod script_steps;

use script_steps::{Does, STEPS};

/// Default address of a node, which the script therefore contains.
const DEFAULT_ADDRESS: &str = "127.0.0.1:7410";

/// Returns the command lines of the script, as in README.md.
pub(crate) fn command_lines() -> Vec<String> {
    script::command_lines(STEPS)
}

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.print {
        script::print(STEPS);
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::load()?;
    install::ensure_wasm_target(&workspace.root)?;
    let mut demo = Demo::new(workspace, options)?;
    let outcome = demo.run_all(options.once);
    if outcome.is_err() {
        demo.show_log();
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

struct Demo {
    workspace: Workspace,
    /// Whether to use a development build of the host.
    is_debug: bool,
    address: String,
    signals: Signals,
    started: Stopwatch,
    /// Declared before the folder, so that the node ends before its data is removed.
    node: Option<Node>,
    folder: TempDir,
}

impl Demo {
    fn new(workspace: Workspace, options: &Options) -> Result<Self> {
        Ok(Self {
            workspace,
            is_debug: options.debug,
            address: free_address(options.once)?,
            signals: Signals::new([SIGINT, SIGTERM, SIGCHLD])?,
            started: Stopwatch::start(),
            node: None,
            folder: tempfile::Builder::new().prefix("highlander-demo-").tempdir()?,
        })
    }

    fn run_all(&mut self, is_once: bool) -> Result<()> {
        let shows_result = |step: &Step<Does>| matches!(step.does, Does::Run(Expect::Json(_)));
        let first_result = STEPS.iter().position(shows_result);
        for (index, step) in STEPS.iter().enumerate() {
            println!("\n# [{}/{}] {}", index + 1, STEPS.len(), step.why);
            self.run_step(step).with_context(|| format!("the demo stopped at `{}`", step.line))?;
            if Some(index) == first_result {
                let took = self.started.elapsed().as_secs();
                println!(
                    "# The first result, {} min {:02} s after the start.",
                    took / 60,
                    took % 60
                );
            }
            if self.signals.pending().any(|signal| signal != SIGCHLD) {
                bail!("interrupted");
            }
        }
        if !is_once {
            self.wait_for_interrupt()?;
        }
        println!("\n# Stop the node: it finishes the calls that it has begun.");
        self.node.take().context("the node is not running")?.stop()?;
        println!("The demo is done.");
        Ok(())
    }

    fn run_step(&mut self, step: &Step<Does>) -> Result<()> {
        let root = &self.workspace.root;
        match step.does {
            Does::BuildHost => {
                // With the build options of the tests, so that dependencies have the same features and nothing is
                // built twice.
                let debug = ["build", "--workspace", "--all-targets"];
                let quick: Vec<_> = step.line.split(' ').skip(1).collect();
                if !self.is_debug {
                    println!(
                        "# It needs {} crates; those compiled before are kept.",
                        crate_count(root, &quick)?
                    );
                }
                let mut cargo = process::cargo(root);
                let cargo = if self.is_debug { cargo.args(debug) } else { cargo.args(quick) };
                process::run(cargo)?;
            }
            Does::BuildGuests(packages) => guests::build_only(packages)?,
            Does::FindHost => {
                println!("$ {}", self.here(step.line));
                if self.address != DEFAULT_ADDRESS {
                    println!("$ export HIGHLANDER_URL=http://{}", self.address);
                }
            }
            Does::StartNode => self.start_node()?,
            Does::KillNode => {
                println!("$ {}", step.line);
                self.node.take().context("the node is not running")?.kill();
            }
            Does::Run(expect) => {
                let output = self.run_line(&self.here(step.line))?;
                expect.check(&output)?;
            }
        }
        Ok(())
    }

    fn binaries(&self) -> PathBuf {
        self.workspace.target.join(if self.is_debug { "debug" } else { "quick" })
    }

    fn start_node(&mut self) -> Result<()> {
        let binary = self.binaries().join("highlander");
        let data = self.folder.path().join("data");
        println!("$ highlander dev --data {} --listen {} &", data.display(), self.address);
        let mut command = Command::new(binary);
        command.arg("dev").arg("--data").arg(data).args(["--listen", &self.address]);
        let log = self.log()?;
        command.stdout(log.try_clone()?).stderr(log);
        self.node = Some(Node::start(&mut command, &self.address)?);
        println!("The node is ready: http://{}", self.address);
        Ok(())
    }

    /// Opens the log with the output of all starts of the node.
    fn log(&self) -> Result<std::fs::File> {
        let path = self.folder.path().join("node.log");
        Ok(std::fs::OpenOptions::new().create(true).append(true).open(path)?)
    }

    fn show_log(&self) {
        let log = std::fs::read_to_string(self.folder.path().join("node.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let skipped = lines.len().saturating_sub(20);
        for line in lines.into_iter().skip(skipped) {
            eprintln!("node: {line}");
        }
    }

    /// Adapts a line of the script to this checkout and the address of this run.
    fn here(&self, line: &str) -> String {
        let line = line.replace(DEFAULT_ADDRESS, &self.address);
        if self.workspace.target == self.workspace.root.join("target") {
            return line;
        }
        let target = format!("{}/", self.workspace.target.display());
        line.replace("$PWD/target/", &target).replace(" target/", &format!(" {target}"))
    }

    /// Runs one line by a shell and returns its output.
    fn run_line(&self, line: &str) -> Result<String> {
        let shell = Shell { root: &self.workspace.root, binaries: &self.binaries() };
        shell.run(line, &[("HIGHLANDER_URL", format!("http://{}", self.address))])
    }

    fn wait_for_interrupt(&mut self) -> Result<()> {
        println!("\nThe node keeps running at http://{}", self.address);
        println!("`highlander` is {}", shell::shown(&self.binaries().join("highlander")));
        println!("Press Ctrl-C to stop it.");
        for signal in self.signals.forever() {
            if signal != SIGCHLD {
                return Ok(());
            }
            if let Some(status) = self.node.as_mut().and_then(Node::exit_status) {
                bail!("the node exited unexpectedly ({status})");
            }
        }
        Ok(())
    }
}

/// Returns the number of crates that a build with these arguments needs.
fn crate_count(root: &Path, build: &[&str]) -> Result<usize> {
    // `cargo tree` selects packages and features as `cargo build` does, and has no profiles.
    let mut selection = build.iter().skip(1).copied();
    let mut arguments = vec!["tree", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"];
    while let Some(argument) = selection.next() {
        match argument {
            "--profile" => drop(selection.next()),
            other => arguments.push(other),
        }
    }
    let listed = process::output(process::cargo(root).args(arguments))?;
    let crates: BTreeSet<_> = listed.lines().filter_map(|line| line.split(" (").next()).collect();
    Ok(crates.len())
}

/// Returns the default address if it is free and the demo is interactive, else a free one.
fn free_address(is_once: bool) -> Result<String> {
    if !is_once && TcpListener::bind(DEFAULT_ADDRESS).is_ok() {
        return Ok(DEFAULT_ADDRESS.into());
    }
    Ok(ports::free_address()?.to_string())
}
