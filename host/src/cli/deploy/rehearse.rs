//! The `rehearse` command: tests a component on the states of real objects and shows the results. The nodes run
//! the test; nothing is changed.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use clap::Args;
use highlander_core::id::TypeName;
use http::Method;

use super::component::component;
use crate::cli::client::{Client, Request, encoded};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::wire::rehearsals::{Begun, Rehearsal, Rehearsed, Sample};

/// Hint for a rehearsal request that got no response.
const REPEATABLE: &str = "repeat the command; a rehearsal changes nothing";
/// Pause between two polls of a rehearsal.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// `highlander rehearse`
#[derive(Debug, Args)]
pub(in crate::cli) struct Rehearse {
    /// Component to rehearse
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Use this many objects, chosen at random [default: all]
    #[arg(long, value_name = "N")]
    sample: Option<Sample>,
}

impl Rehearse {
    pub(in crate::cli) async fn run(self, client: &Client) -> Result<(), Failure> {
        let wasm = component(&self.file, client)?;
        let sample = self.sample.unwrap_or(Sample::All);
        if client.is_json {
            let path = format!("/v1/rehearsals?sample={sample}");
            let request = Request::new(Method::POST, path)
                .with_body("application/wasm", wasm)
                .when_unanswered(REPEATABLE);
            return output::json(&client.send(request).await?.body);
        }
        let (type_name, rehearsal) = rehearsed(client, wasm, sample).await?;
        let (tried, failed) = (rehearsal.rehearsed.tried, rehearsal.rehearsed.failed);
        if failed > 0 {
            let text = format!("{failed} of {tried} objects failed the rehearsal");
            return Err(Failure::rejected(text));
        }
        match tried {
            0 => output::line(&nothing_tried(&type_name)),
            1 => output::line("1 object passed the rehearsal"),
            tried => output::line(&format!("{tried} objects passed the rehearsal")),
        }
    }
}

pub(super) fn nothing_tried(type_name: &TypeName) -> String {
    format!("no object of the type {type_name} exists yet: nothing was tried")
}

/// Rehearses a component, shows the progress and the results, and returns them with the name of its type.
pub(super) async fn rehearsed(
    client: &Client,
    wasm: Bytes,
    sample: Sample,
) -> Result<(TypeName, Rehearsal), Failure> {
    let path = format!("/v1/rehearsals?sample={sample}&wait=false");
    let request = Request::new(Method::POST, path)
        .with_body("application/wasm", wasm)
        .when_unanswered(REPEATABLE);
    let Begun { type_name, digest } = client.send(request).await?.read()?;
    let path = format!("/v1/types/{}/rehearsal", encoded(type_name.as_str()));
    let mut shown = 0;
    let rehearsal = loop {
        let rehearsal: Rehearsal = client.send(Request::get(path.as_str())).await?.read()?;
        if rehearsal.digest != digest {
            let text = "another rehearsal of the type was started through this node";
            return Err(Failure::environment(text));
        }
        let tried = rehearsal.rehearsed.tried;
        if let Some(total) = rehearsal.total.filter(|_| tried > shown) {
            output::note(&format!(
                "{tried} of {total} objects tried, {} failed",
                rehearsal.rehearsed.failed
            ));
            shown = tried;
        }
        if rehearsal.is_done {
            break rehearsal;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    };
    if let Some(why) = &rehearsal.stopped {
        return Err(Failure::environment(format!("the rehearsal ended early: {why}")));
    }
    if rehearsal.rehearsed.tried > 0 {
        show(&rehearsal.rehearsed);
    }
    Ok((type_name, rehearsal))
}

fn show(rehearsed: &Rehearsed) {
    let size = |bytes| ByteSize(bytes).to_string();
    let each = |total: u64| total.checked_div(rehearsed.tried).unwrap_or_default();
    output::note(&format!(
        "states: {} at present, {} as written by the component, the largest {}",
        size(rehearsed.bytes_before),
        size(rehearsed.bytes_after),
        size(rehearsed.largest_after),
    ));
    output::note(&format!(
        "time per object: {} us on average, {} us at most",
        each(rehearsed.micros),
        rehearsed.micros_max,
    ));
    for (cause, failures) in &rehearsed.causes {
        let examples = failures.examples.join(", ");
        output::note(&format!("{} failed, such as {examples}: {cause}", failures.count));
    }
}
