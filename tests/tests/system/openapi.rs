//! `GET /v1/openapi.json` with a validator, and with a generator of clients.
//!
//! Their packages are those of `tests/typescript`, which `cargo xtask test` installs.

mod admin;

use std::path::{Path, PathBuf};
use std::process::Command;

use highlander_tests::artifacts;
use highlander_tests::client::Client;
use highlander_tests::command::{self, Ended};
use highlander_tests::node::Node;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with access to the packages, and with copies of the files in `tests/typescript`.
struct Workshop {
    folder: TempDir,
    installed: PathBuf,
}

impl Workshop {
    /// Creates the folder. Returns `None` if its tests are disabled.
    fn open() -> Option<Self> {
        if std::env::var_os("HIGHLANDER_SKIP_TYPESCRIPT").is_some() {
            eprintln!("skipped: HIGHLANDER_SKIP_TYPESCRIPT is set");
            return None;
        }
        let installed = artifacts::typescript();
        let folder = tempfile::Builder::new().prefix("test-").tempdir_in(&installed).unwrap();
        let source = artifacts::repository().join("tests/typescript");
        // Programs find their packages because this folder is below the packages' folder.
        for file in ["package.json", "tsconfig.json", "responses.mjs", "todo.ts", "validate.mjs"] {
            std::fs::copy(source.join(file), folder.path().join(file)).unwrap();
        }
        Some(Self { folder, installed })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, file: &str, document: &Value) {
        std::fs::write(self.path().join(file), document.to_string()).unwrap();
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> Ended {
        let mut command = Command::new(program);
        command.current_dir(self.path()).args(arguments);
        command::run_for_long(command).await
    }

    /// Runs a program of one of the packages.
    async fn run_package(&self, name: &str, arguments: &[&str]) -> Ended {
        let program = self.installed.join("node_modules/.bin").join(name);
        self.run(program.to_str().expect("a plain path"), arguments).await
    }

    async fn validate(&self, document: &Value) -> Ended {
        self.write("openapi.json", document);
        self.run("node", &["validate.mjs", "openapi.json"]).await
    }
}

async fn document(client: &Client) -> Value {
    client.get("/v1/openapi.json").send().await.done().json()
}

#[tokio::test]
async fn the_document_of_live_types_is_valid_and_a_wrong_one_would_be_found() {
    let Some(workshop) = Workshop::open() else { return };
    let guests =
        ["counter", "counter-v2", "journal", "list", "misbehaving", "shelf", "todo", "user"];
    let node = Node::with_guests(&guests).await;
    let valid = document(&node.client()).await;
    for path in ["/v1/objects/list/{key}/insert_todo", "/v1/objects/counter/{key}/decrement"] {
        assert!(valid["paths"].get(path).is_some(), "{path} is missing");
    }
    let ended = workshop.validate(&valid).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    let operation = "/paths/~1v1~1objects~1todo~1{key}~1complete/post";
    for (place, wrong) in [
        ("/openapi".to_owned(), json!("3.9")),
        (format!("{operation}/responses"), Value::Null),
        (format!("{operation}/parameters/0/$ref"), json!("#/components/parameters/none")),
        ("/components/schemas/todo.Color".to_owned(), json!({ "type": "colour" })),
        (
            "/paths/~1v1~1objects~1todo~1{key}/put/requestBody/content/application~1json/schema\
             /properties/color/$ref"
                .to_owned(),
            json!("#/components/schemas/none"),
        ),
    ] {
        let mut document = valid.clone();
        *document.pointer_mut(&place).unwrap_or_else(|| panic!("no {place}")) = wrong;
        let ended = workshop.validate(&document).await;
        assert_eq!(ended.code, 1, "{place}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_generated_client_in_typescript_compiles_and_calls_a_todo() {
    let Some(workshop) = Workshop::open() else { return };
    let node = Node::with_guests(&["counter", "todo"]).await;
    workshop.write("openapi.json", &document(&node.client()).await);
    let generate = ["openapi.json", "--output", "objects.ts"];
    let _ = workshop.run_package("openapi-typescript", &generate).await.done();
    let compiled = workshop.run_package("tsc", &["--project", "."]).await;
    assert_eq!(compiled.code, 0, "{}", compiled.stdout);
    let called = workshop.run("node", &["todo.js", node.url()]).await.done();
    let told = json!({ "key": "from/Type Script", "title": "Compile", "color": "green" });
    assert_eq!(called.json(), told);
    let state = node.client().state("todo/from%2FType%20Script").await;
    let todo = json!({ "title": "Compile", "completed": true, "color": "green" });
    assert_eq!((state.json(), state.version()), (todo, 2));
}
