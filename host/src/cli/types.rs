//! The commands about types: deploy a component, and look at what is deployed.
//!
//! Whether a component fits is the node's to say; here it is only read and sent.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;
use http::Method;
use serde::Deserialize;

use super::client::{Client, Request, encoded};
use super::failure::Failure;
use super::output;
use crate::engine::Description;

/// `highlander deploy`
#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Deploy it even where it breaks what the current revision offers
    #[arg(long)]
    force: bool,
}

/// `highlander types`
#[derive(Debug, Args)]
pub(super) struct Types {
    /// Show this one with its handlers
    #[arg(value_name = "TYPE")]
    type_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Deployed {
    #[serde(rename = "type")]
    type_name: String,
    revision: u32,
    is_new: bool,
}

impl Deploy {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let shown = self.file.display();
        let wasm = std::fs::read(&self.file).map_err(|error| {
            let failure = Failure::usage(format!("cannot read {shown}: {error}"));
            failure.with_hint("build it with: cargo build --release --target wasm32-wasip2")
        })?;
        if !wasm.starts_with(b"\0asm") {
            let failure = Failure::usage(format!("{shown} is no WebAssembly"));
            return Err(failure.with_hint("deploy what lies in target/wasm32-wasip2/release/"));
        }
        let size = ByteSize(wasm.len() as u64);
        output::note(&format!("uploading {shown} ({size}) to {}", client.url()));
        let path = if self.force { "/v1/types?force=true" } else { "/v1/types" };
        let request = Request::new(Method::POST, path).with_body("application/wasm", wasm);
        let answer = client.send(request).await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        let Deployed { type_name, revision, is_new } = answer.read()?;
        if !is_new {
            output::note("this component is current already");
        }
        output::line(&format!("{type_name} revision {revision}"))
    }
}

#[derive(Debug, Deserialize)]
struct Summaries {
    types: Vec<Summary>,
}

#[derive(Debug, Deserialize)]
struct Summary {
    name: String,
    current: u32,
    schema_version: u32,
    handlers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Record {
    name: String,
    current: u32,
    description: Option<Description>,
    revisions: Vec<Revision>,
}

#[derive(Debug, Deserialize)]
struct Revision {
    number: u32,
    digest: String,
    schema_version: u32,
}

impl Types {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = match &self.type_name {
            Some(name) => format!("/v1/types/{}", encoded(name)),
            None => "/v1/types".to_owned(),
        };
        let answer = client.send(Request::get(path)).await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        if self.type_name.is_some() { show(&answer.read()?) } else { list(answer.read()?) }
    }
}

fn list(summaries: Summaries) -> Result<(), Failure> {
    if summaries.types.is_empty() {
        output::note("no type is deployed yet; deploy one with: highlander deploy FILE.wasm");
        return Ok(());
    }
    let mut rows = vec![["TYPE", "REVISION", "SCHEMA", "HANDLERS"].map(str::to_owned).to_vec()];
    rows.extend(summaries.types.into_iter().map(|found| {
        let Summary { name, current, schema_version, handlers } = found;
        vec![name, current.to_string(), schema_version.to_string(), handlers.join(" ")]
    }));
    output::table(&rows)
}

fn show(record: &Record) -> Result<(), Failure> {
    output::line(&format!("{} revision {}", record.name, record.current))?;
    let Some(description) = &record.description else { return Ok(()) };
    description.documentation.lines().try_for_each(|text| output::line(&format!("  {text}")))?;
    output::line("handlers")?;
    let handlers = description.handlers.iter().map(|handler| {
        let first = handler.documentation.lines().next().unwrap_or_default().to_owned();
        let kind = format!("{:?}", handler.kind).to_lowercase();
        vec![format!("  {}", handler.name), kind, first]
    });
    output::table(&handlers.collect::<Vec<_>>())?;
    output::line("revisions")?;
    let revisions = record.revisions.iter().map(|revision| {
        let digest: String = revision.digest.chars().take(12).collect();
        let schema = format!("schema {}", revision.schema_version);
        vec![format!("  {}", revision.number), digest, schema]
    });
    output::table(&revisions.collect::<Vec<_>>())
}
