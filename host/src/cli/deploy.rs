//! Uploads a component, or goes back to an older revision, and rehearses components before.
//!
//! Whether a component fits is the node's to say; here it is only read and sent. How it spreads is shown by `spread`.

mod spread;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use bytesize::ByteSize;
use clap::Args;
use http::Method;
use serde::Deserialize;
use spread::spread;

use super::client::{Client, Request, encoded};
use super::failure::Failure;
use super::output;
use crate::catalog::rollout::{Share, Stage};
use crate::id::Digest;
use crate::node::rehearsal::Rehearsed;
use crate::rehearsal::{Rehearsal, Sample};

/// What to do where a rehearsal was not answered.
const REPEATABLE: &str = "repeat it: a rehearsal changes nothing";
/// Pause between two looks at a rehearsal.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// `highlander deploy`
#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// The component
    // Not required by the parser, because --canary takes it for a key where it is the last word: see `file`.
    #[arg(value_name = "FILE.wasm")]
    file: Option<PathBuf>,
    /// Deploy it even where it breaks what the current revision offers
    #[arg(long)]
    force: bool,
    /// Try it first with the states of all objects, or of so many
    #[arg(long, value_name = "all|N")]
    rehearse: Option<Sample>,
    /// For a share of the objects, like 10%, or for these keys
    #[arg(long, value_name = "P%|KEY", num_args = 1..)]
    canary: Vec<String>,
    /// Take it back when more of the objects fail, like 1%, or never: none [default: 1%]
    #[arg(long, value_name = "P%|none")]
    max_failures: Option<String>,
    /// Deploy it once, however often it is repeated with this key [default: a random one]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// `highlander rehearse`
#[derive(Debug, Args)]
pub(super) struct Rehearse {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// With so many objects, chosen at random [default: all]
    #[arg(long, value_name = "N")]
    sample: Option<Sample>,
}

/// `highlander rollback`
#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The type
    #[arg(value_name = "TYPE")]
    type_name: String,
    /// The revision that is to be current [default: the one before]
    #[arg(long, value_name = "N")]
    to: Option<u32>,
}

/// A revision that is taking the place of another.
#[derive(Debug, Deserialize)]
pub(super) struct Rollout {
    pub(super) revision: u32,
    stage: Stage,
    share: Share,
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Preparing => "being prepared",
            Stage::Rolling => "being rolled out",
            Stage::Watching => "served, and watched",
        };
        match &self.share {
            Share::All => f.write_str(stage),
            Share::Percent(percent) => write!(f, "{stage}, for {percent} % of the objects"),
            Share::Keys(keys) => write!(f, "{stage}, for {} objects", keys.len()),
        }
    }
}

impl Deploy {
    pub(super) async fn run(mut self, client: &Client) -> Result<(), Failure> {
        let wasm = component(&self.file()?, client)?;
        if let Some(sample) = self.rehearse {
            let rehearsal = rehearsed(client, wasm.clone(), sample).await?;
            let failed = rehearsal.rehearsed.failed;
            if failed > 0 && !self.force {
                let text = format!("it was not deployed: {failed} objects failed the rehearsal");
                return Err(Failure::rejected(text)
                    .with_hint("mend the component, or deploy it with --force if that is meant"));
            }
        }
        let path = format!("/v1/types?{}wait={}", self.parameters(), client.is_json);
        let key = self.idempotency_key.clone().unwrap_or_else(random_key);
        let hint = format!(
            "repeat it through any node with --idempotency-key {key}: it is deployed once, and followed"
        );
        let request = Request::new(Method::POST, path)
            .with_body("application/wasm", wasm)
            .with_header("idempotency-key", &key)?
            .when_unanswered(hint);
        spread(client, client.send(request).await?).await
    }

    /// The component's file, which may have come last: `--canary 10% FILE.wasm`.
    fn file(&mut self) -> Result<PathBuf, Failure> {
        let is_component = |word: &mut String| word.ends_with(".wasm");
        let last = || self.canary.pop_if(is_component).map(PathBuf::from);
        self.file.take().or_else(last).ok_or_else(|| {
            Failure::usage("no component is named")
                .with_hint("name it first: highlander deploy FILE.wasm --canary 10%")
        })
    }

    fn parameters(&self) -> String {
        let mut parameters = String::new();
        let mut add = |name: &str, value: &str| {
            parameters.push_str(&format!("{name}={}&", encoded(value)));
        };
        if self.force {
            add("force", "true");
        }
        for value in &self.canary {
            let is_share = self.canary.len() == 1 && value.ends_with('%');
            add(if is_share { "canary" } else { "canary_key" }, value);
        }
        if let Some(max) = &self.max_failures {
            add("max_failures", max);
        }
        parameters
    }
}

fn random_key() -> String {
    format!("{:016x}", rand::random::<u64>())
}

fn component(file: &Path, client: &Client) -> Result<Bytes, Failure> {
    let shown = file.display();
    let wasm = std::fs::read(file).map_err(|error| {
        let failure = Failure::usage(format!("cannot read {shown}: {error}"));
        failure.with_hint("build it with: cargo build --release --target wasm32-wasip2")
    })?;
    if !wasm.starts_with(b"\0asm") {
        let failure = Failure::usage(format!("{shown} is no WebAssembly"));
        return Err(failure.with_hint("deploy what lies in target/wasm32-wasip2/release/"));
    }
    let size = ByteSize(wasm.len() as u64);
    output::note(&format!("uploading {shown} ({size}) to {}", client.url()));
    Ok(wasm.into())
}

impl Rehearse {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let wasm = component(&self.file, client)?;
        let sample = self.sample.unwrap_or(Sample::All);
        if client.is_json {
            let path = format!("/v1/rehearsals?sample={sample}");
            let request = Request::new(Method::POST, path)
                .with_body("application/wasm", wasm)
                .when_unanswered(REPEATABLE);
            return output::json(&client.send(request).await?.body);
        }
        let rehearsal = rehearsed(client, wasm, sample).await?;
        let (tried, failed) = (rehearsal.rehearsed.tried, rehearsal.rehearsed.failed);
        if failed > 0 {
            let text = format!("{failed} of {tried} objects failed the rehearsal");
            return Err(Failure::rejected(text));
        }
        output::line(&format!("{tried} objects passed the rehearsal"))
    }
}

/// Rehearses a component, and shows how far that is and what it came to.
async fn rehearsed(client: &Client, wasm: Bytes, sample: Sample) -> Result<Rehearsal, Failure> {
    #[derive(Deserialize)]
    struct Begun {
        #[serde(rename = "type")]
        type_name: String,
        digest: Digest,
    }
    let path = format!("/v1/rehearsals?sample={sample}&wait=false");
    let request = Request::new(Method::POST, path)
        .with_body("application/wasm", wasm)
        .when_unanswered(REPEATABLE);
    let Begun { type_name, digest } = client.send(request).await?.read()?;
    let path = format!("/v1/types/{}/rehearsal", encoded(&type_name));
    let mut shown = 0;
    let rehearsal = loop {
        let rehearsal: Rehearsal = client.send(Request::get(path.as_str())).await?.read()?;
        if rehearsal.digest != digest {
            let text = "another rehearsal of the type was begun through this node";
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
    show(&rehearsal.rehearsed);
    Ok(rehearsal)
}

fn show(rehearsed: &Rehearsed) {
    let size = |bytes| ByteSize(bytes).to_string();
    let each = |total: u64| total.checked_div(rehearsed.tried).unwrap_or_default();
    output::note(&format!(
        "states: {} as they are, {} as the component writes them, the largest {}",
        size(rehearsed.bytes_before),
        size(rehearsed.bytes_after),
        size(rehearsed.largest_after),
    ));
    output::note(&format!(
        "time for an object: {} us on average, {} us at most",
        each(rehearsed.micros),
        rehearsed.micros_max,
    ));
    for (cause, failures) in &rehearsed.causes {
        let examples = failures.examples.join(", ");
        output::note(&format!("{} failed, like {examples}: {cause}", failures.count));
    }
}

impl Rollback {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let to = self.to.map(|to| format!("to={to}&")).unwrap_or_default();
        let name = encoded(&self.type_name);
        let path = format!("/v1/types/{name}/rollback?{to}wait={}", client.is_json);
        let look = format!("see which revision is current: highlander types {}", self.type_name);
        let hint = match self.to {
            Some(to) => {
                format!("{look}; while {to} is, or is on its way, to repeat it does nothing")
            }
            // The one before is another one the second time.
            None => format!("{look}; name the one that you want with --to"),
        };
        let request = Request::new(Method::POST, path).when_unanswered(hint);
        spread(client, client.send(request).await?).await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        deploy: Deploy,
    }

    #[test]
    fn the_component_may_come_first_or_last() {
        let read = |line: &str| {
            let mut deploy = Line::parse_from(line.split(' ')).deploy;
            let file = deploy.file().map_err(|failure| failure.message);
            (file, deploy.parameters())
        };
        let file = || Ok(PathBuf::from("a.wasm"));
        assert_eq!(read("deploy a.wasm --canary 10%"), (file(), "canary=10%25&".to_owned()));
        assert_eq!(read("deploy --canary 10% a.wasm"), (file(), "canary=10%25&".to_owned()));
        assert_eq!(read("deploy a.wasm --canary b.wasm").1, "canary_key=b.wasm&");
        assert_eq!(
            read("deploy --canary 1 2 a.wasm"),
            (file(), "canary_key=1&canary_key=2&".to_owned())
        );
        assert!(read("deploy --canary 10%").0.is_err());
    }
}
