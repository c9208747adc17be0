//! `GET /v1/openapi.json` for tools in Python: a client generator, and schemathesis, which tests a node against the
//! document.
//!
//! Their packages are those of `tests/python`, which `cargo xtask test` installs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use highlander_tests::artifacts;
use highlander_tests::command::{self, Ended};
use highlander_tests::node::Node;
use serde_json::json;
use tempfile::TempDir;

/// How long schemathesis runs.
const TRIAL: Duration = Duration::from_secs(60);
/// The seed of its requests, unless `HIGHLANDER_SEED` is set: fixed, so that two runs of one commit test the same.
const SEED: u64 = 20_261;

/// A folder with copies of what is in `tests/python`.
struct Workshop {
    folder: TempDir,
    programs: PathBuf,
}

impl Workshop {
    /// `None` where these tests are to be skipped.
    fn open() -> Option<Self> {
        if std::env::var_os("HIGHLANDER_SKIP_PYTHON").is_some() {
            eprintln!("skipped: HIGHLANDER_SKIP_PYTHON is set");
            return None;
        }
        let programs = artifacts::python().join("bin");
        let folder = tempfile::tempdir().unwrap();
        let source = artifacts::repository().join("tests/python");
        for file in ["hooks.py", "schemathesis.toml", "shelf.py"] {
            std::fs::copy(source.join(file), folder.path().join(file)).unwrap();
        }
        Some(Self { folder, programs })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> Ended {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.path()).args(arguments);
        // The generator calls a formatter of its own packages.
        let others = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&others).collect::<Vec<_>>();
        let all = std::iter::once(self.programs.clone()).chain(folders);
        command.env("PATH", std::env::join_paths(all).unwrap());
        command::run_for_long(command).await
    }
}

/// The generator skips operations that it does not understand with a warning, which is an error here.
#[tokio::test]
async fn a_generated_client_in_python_calls_a_shelf() {
    let Some(workshop) = Workshop::open() else { return };
    let node = Node::with_guests(&["counter", "list", "shelf", "todo", "user"]).await;
    let document = node.client().get("/v1/openapi.json").send().await.done();
    std::fs::write(workshop.path().join("openapi.json"), &document.body).unwrap();
    let generate = ["generate", "--path", "openapi.json", "--meta", "none"];
    let generate = [&generate[..], &["--output-path", "objects", "--fail-on-warning"]].concat();
    let generated = workshop.run("openapi-python-client", &generate).await;
    assert_eq!(generated.code, 0, "{}\n{}", generated.stdout, generated.stderr);
    let called = workshop.run("python", &["shelf.py", node.url()]).await.done();
    assert_eq!(called.json(), json!({ "found": ["cup"], "version": "4" }));
    let found = node.client().get("/v1/objects/shelf/from%2FPython/list").send().await.done();
    assert_eq!(found.json(), json!([{ "name": "cup", "grams": 300 }]));
}

#[tokio::test]
async fn schemathesis_finds_nothing_that_is_not_as_it_is_described() {
    let Some(workshop) = Workshop::open() else { return };
    let node = Node::with_guests(&["counter", "list", "shelf", "todo"]).await;
    let seed = std::env::var("HIGHLANDER_SEED").unwrap_or_else(|_| SEED.to_string());
    eprintln!("schemathesis: repeat with HIGHLANDER_SEED={seed}");
    let seconds = TRIAL.as_secs().to_string();
    let url = format!("{}/v1/openapi.json", node.url());
    let arguments =
        ["--config-file", "schemathesis.toml", "run", "--seed", &seed, "--max-time", &seconds];
    let arguments = [&arguments[..], &["--continue-on-failure", &url]].concat();
    let tried = workshop.run("schemathesis", &arguments).await;
    assert_eq!(tried.code, 0, "seed {seed}:\n{}\n{}", tried.stdout, tried.stderr);
    eprintln!("{}", tried.stdout);
    // It reached the objects, and was not turned away by everything.
    assert!(node.client().metric("highlander_calls_total{outcome=\"done\"}").await > 100.0);
    assert!(node.client().is_ready().await);
}
