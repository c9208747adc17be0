//! `cargo xtask cluster`: a complete cluster on this machine, and a script of commands to try.
//!
//! The script is data, in `lines.rs`, and the same as in README.md. By default it is printed for the user to try.
//! With `--once` each line is run and checked, as a test. All processes end with this program, by process id.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use highlander_services::ports;
use highlander_services::zookeeper::Ensemble;
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::node::Node;
use crate::script::{self, Options, Step};
use crate::shell::{self, Shell};
use crate::workspace::Workspace;
use crate::{guests, install, process};

mod node_roles;
mod script_steps;
mod services;

use node_roles::{NODE_COUNT, NodeRoles};
use script_steps::{Does, FOLDER, OBJECT, STEPS};
use services::{Folder, Store};

/// Objects that are uploaded.
const OBJECTS: &[&str] = &["counter", "list", "todo", "user"];

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
    install::ensure_all(&workspace.root)?;
    // Before any process starts, so that no signal ends this program without them.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGCHLD])?;
    build(&workspace, options.debug)?;
    let mut cluster = Cluster::start(workspace, options)?;
    let outcome = cluster.deploy().and_then(|()| match options.once {
        true => cluster.carry_out(&mut signals),
        false => cluster.wait(&mut signals),
    });
    if outcome.is_err() {
        cluster.show_logs();
    }
    outcome.and_then(|()| cluster.stop()).map(|()| ExitCode::SUCCESS)
}

fn build(workspace: &Workspace, is_debug: bool) -> Result<()> {
    println!("\n# Build the host, an S3 server, and the example objects.");
    let mut cargo = process::cargo(&workspace.root);
    if is_debug {
        // With the build options of the tests, so that dependencies have the same features and nothing is built a
        // second time.
        cargo.args(["build", "--workspace", "--all-targets"]);
    } else {
        cargo.args(["build", "--profile", "quick", "--package", "highlander"]);
        cargo.args(["--package", "highlander-s3-server"]);
    }
    process::run(&mut cargo)?;
    guests::build_only(OBJECTS)
}

/// All parts of the cluster; the drop order ends a part before the parts that it uses.
struct Cluster {
    nodes: [Option<Node>; NODE_COUNT],
    roles: NodeRoles,
    store: Store,
    ensemble: Ensemble,
    folder: Folder,
    workspace: Workspace,
    binaries: PathBuf,
}

impl Cluster {
    fn start(workspace: Workspace, options: &Options) -> Result<Self> {
        let binaries = workspace.target.join(if options.debug { "debug" } else { "quick" });
        let folder = match options.once {
            true => Folder::temporary()?,
            false => Folder::keep(workspace.target.join("cluster"))?,
        };
        println!("\n# Start 3 ZooKeeper servers.");
        let ensemble = services::start_ensemble().context("cannot start ZooKeeper")?;
        println!("The servers are ready: {}", ensemble.connect_string());
        println!("\n# Start an S3 server.");
        let store = Store::start(&binaries, &folder)?;
        println!("The server is ready: {}", store.url());
        let roles = NodeRoles::new(addresses(options.once)?);
        let nodes = [const { None }; NODE_COUNT];
        let mut cluster = Self { nodes, roles, store, ensemble, folder, workspace, binaries };
        println!("\n# Start {NODE_COUNT} nodes.");
        for index in 0..NODE_COUNT {
            let started = cluster.start_node(index);
            if started.is_err() {
                cluster.show_logs();
            }
            started?;
        }
        Ok(cluster)
    }

    fn start_node(&mut self, index: usize) -> Result<()> {
        let address = self.roles.address(index);
        services::write_config(&self.folder, index, address, &self.ensemble, &self.store)?;
        let config = self.folder.file(&format!("{}.toml", node_roles::name(index)));
        println!("$ highlander serve --config {} &", shell::shown(&config));
        let node = services::start_node(&self.binaries, &self.folder, index, address)?;
        println!("{} is ready: http://{address}", node_roles::name(index));
        if let Some(place) = self.nodes.get_mut(index) {
            *place = Some(node);
        }
        Ok(())
    }

    /// Uploads the example objects.
    fn deploy(&self) -> Result<()> {
        println!("\n# Upload the example objects.");
        let url = [("HIGHLANDER_URL", format!("http://{}", self.roles.address(0)))];
        for object in OBJECTS {
            let file = self.workspace.guests_folder().join(format!("{object}.wasm"));
            self.shell().run(&format!("highlander deploy {}", shell::shown(&file)), &url)?;
        }
        Ok(())
    }

    /// Runs and checks the script.
    fn carry_out(&mut self, signals: &mut Signals) -> Result<()> {
        for (index, step) in STEPS.iter().enumerate() {
            println!("\n# [{}/{}] {}", index + 1, STEPS.len(), step.why);
            self.run_step(step).with_context(|| format!("the run stopped at `{}`", step.line))?;
            if signals.pending().any(|signal| signal != SIGCHLD) {
                bail!("interrupted");
            }
        }
        Ok(())
    }

    fn run_step(&mut self, step: &Step<Does>) -> Result<()> {
        match step.does {
            Does::FindHost => println!("$ {}", self.here(step.line)),
            Does::Run(expect) => {
                let output = self.shell().run(&self.here(step.line), &services::credentials())?;
                expect.check(&output)?;
            }
            Does::NameOwner(number) => {
                let output = self.shell().run(&self.here(step.line), &[])?;
                let owner = self.owner(step.line)?;
                self.roles.give(number, owner);
                let name = node_roles::name(owner);
                if !output.contains(&format!("{name}-")) {
                    bail!("expected {name} in {:?}", output.trim());
                }
            }
            Does::Kill(number) => {
                println!("$ {}", self.here(step.line));
                let node = self.nodes.get_mut(self.roles.player(number)).and_then(Option::take);
                node.context("the node is not running")?.kill();
            }
        }
        Ok(())
    }

    /// Returns the node that owns the object of the script, from the JSON output of the line.
    fn owner(&self, line: &str) -> Result<usize> {
        let document = self.shell().run_quietly(&format!("{} --json", self.here(line)), &[])?;
        let document: serde_json::Value = serde_json::from_str(&document)?;
        let owner =
            document.get("node").and_then(serde_json::Value::as_str).and_then(node_roles::index_of);
        owner.with_context(|| format!("{OBJECT} has no owner: {document}"))
    }

    fn shell(&self) -> Shell<'_> {
        Shell { root: &self.workspace.root, binaries: &self.binaries }
    }

    /// Adapts a line of the script to this checkout and the nodes of this run.
    fn here(&self, line: &str) -> String {
        let line = self.roles.rewrite(line).replace(FOLDER, &shell::shown(self.folder.path()));
        let binaries = self.binaries.display().to_string();
        line.replace("$PWD/target/quick", &binaries)
    }

    /// Prints the script, and waits for Ctrl-C.
    fn wait(&mut self, signals: &mut Signals) -> Result<()> {
        println!("\nThe cluster is ready. Try:");
        for step in STEPS {
            println!("\n# {}\n{}", step.why, self.here(step.line));
        }
        let variables = services::credentials();
        let variables = variables.iter().map(|(name, value)| format!("{name}={value}"));
        let variables = variables.collect::<Vec<_>>().join(" ");
        println!("\nTo restart a killed node, run for example:");
        let config = shell::shown(&self.folder.file("node-2.toml"));
        println!("{variables} highlander serve --config {config}");
        println!(
            "Logs are in {}. Press Ctrl-C to stop everything.",
            shell::shown(self.folder.path())
        );
        for signal in signals.forever() {
            if signal != SIGCHLD {
                return Ok(());
            }
            for (index, place) in self.nodes.iter_mut().enumerate() {
                if let Some(status) = place.as_mut().and_then(Node::exit_status) {
                    println!("{} has exited ({status})", node_roles::name(index));
                    *place = None;
                }
            }
        }
        Ok(())
    }

    /// Stops the nodes one by one, each after it has handed over its objects; the other parts are killed.
    fn stop(mut self) -> Result<()> {
        println!("\n# Stop the nodes: each hands over its objects first.");
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            node.stop()?;
        }
        println!("The cluster has stopped.");
        Ok(())
    }

    fn show_logs(&self) {
        for index in 0..NODE_COUNT {
            let name = node_roles::name(index);
            eprintln!(
                "--- end of the log of {name}\n{}",
                self.folder.log_end(&format!("{name}.log"))
            );
        }
        eprintln!("--- end of the log of the S3 server\n{}", self.folder.log_end("s3-server.log"));
    }
}

/// Returns the usual addresses if they are free and the cluster is interactive, else free ones.
fn addresses(is_once: bool) -> Result<[String; NODE_COUNT]> {
    let usual = std::array::from_fn(|index| node_roles::usual_address(index + 1));
    if !is_once && usual.iter().all(|address| TcpListener::bind(address).is_ok()) {
        return Ok(usual);
    }
    let mut free = usual;
    for (address, port) in free.iter_mut().zip(ports::free(NODE_COUNT)?) {
        *address = format!("127.0.0.1:{port}");
    }
    Ok(free)
}
