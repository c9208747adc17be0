//! `highlander serve` with a configuration file, and the errors for an invalid file.

use std::path::{Path, PathBuf};
use std::process::Command;

use highlander_tests::artifacts;
use highlander_tests::client::Client;
use highlander_tests::command::{self, highlander};
use highlander_tests::node;
use serde_json::json;

fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("highlander.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn serve(file: &Path) -> Command {
    let mut serve = Command::new(artifacts::binary());
    command::clear_environment(&mut serve);
    serve.args(["serve", "--config"]).arg(file);
    serve
}

#[tokio::test]
async fn a_file_is_obeyed_and_the_environment_stands_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let text = format!(
        "[node]\nlisten = \"127.0.0.1:0\"\ndata_dir = {data:?}\n[objects]\nstate_max = \"1KiB\"\n"
    );
    let file = write(folder.path(), &text);
    let grow = async |url: &str| {
        let call = Client::new(url).call("misbehaving/a", "grow_state").json(json!(2_000));
        call.send().await
    };

    let (process, url) = node::launch(&mut serve(&file)).await;
    Client::new(&url).deploy("misbehaving").await;
    grow(&url).await.problem("state-too-large");
    drop(process);

    let mut serve = serve(&file);
    let (_process, url) = node::launch(serve.env("HIGHLANDER_OBJECTS__STATE_MAX", "4KiB")).await;
    assert_eq!(grow(&url).await.done().version(), 1);
}

#[tokio::test]
async fn a_file_that_is_wrong_is_refused_with_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    for (text, message, hint) in [
        ("[objects]\nidle_timout = \"1s\"\n", "idle_timout", "objects.idle_timeout"),
        ("[objects]\nidle_timeout = \"5\"\n", "objects.idle_timeout", "default: 5m"),
        ("[node]\nlisten = \"0.0.0.0:0\"\n", "0.0.0.0:0", "node.insecure"),
        ("[store]\nkind = \"s3\"\n", "local", "zookeeper"),
        ("[store]\nbucket = \"objects\"\n", "store.bucket", "s3"),
    ] {
        let file = write(folder.path(), text);
        let ended = highlander().run(&["serve", "--config", file.to_str().unwrap()]).await;
        let (said, advice) = ended.error(2);
        assert!(said.contains(message), "{message:?} in {said:?}");
        assert!(advice.as_ref().is_some_and(|advice| advice.contains(hint)), "{advice:?}");
    }
}
