//! Looks at what is deployed: the types, or one with its handlers, its revisions, and the objects that stay behind.
//! Nothing is changed here.

use std::collections::BTreeMap;

use bytesize::ByteSize;
use clap::Args;
use serde::Deserialize;

use super::client::{Client, Request, encoded};
use super::deploy::Rollout;
use super::failure::Failure;
use super::output;
use crate::engine::Description;

/// `highlander types`
#[derive(Debug, Args)]
pub(super) struct Types {
    /// Show this one with its handlers
    #[arg(value_name = "TYPE")]
    type_name: Option<String>,
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
    rollout: Option<Rollout>,
    held_back: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Revision {
    number: u32,
    digest: String,
    schema_version: u32,
    deployed_at_ms: u64,
    deployed_by: String,
    bytes: u64,
    live_objects: usize,
    taken_back: Option<String>,
    is_collected: bool,
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
    let head = ["  NUMBER", "COMPONENT", "SIZE", "SCHEMA", "DEPLOYED", "BY", "LIVE OBJECTS", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(record.revisions.iter().rev().map(|revision| {
        vec![
            format!("  {}", revision.number),
            revision.digest.chars().take(12).collect(),
            ByteSize(revision.bytes).to_string(),
            revision.schema_version.to_string(),
            output::time(revision.deployed_at_ms),
            revision.deployed_by.clone(),
            revision.live_objects.to_string(),
            remark(record, revision),
        ]
    }));
    output::table(&rows)?;
    if record.held_back.is_empty() {
        return Ok(());
    }
    output::line("objects that stay on their own revision")?;
    let rows = record
        .held_back
        .iter()
        .map(|(key, why)| vec![format!("  {}/{key}", record.name), why.clone()]);
    output::table(&rows.collect::<Vec<_>>())
}

fn remark(record: &Record, revision: &Revision) -> String {
    let coming = record.rollout.as_ref().filter(|rollout| rollout.revision == revision.number);
    match (coming, &revision.taken_back) {
        (Some(rollout), _) => rollout.to_string(),
        (None, _) if record.current == revision.number => "current".to_owned(),
        (None, Some(why)) => format!("taken back: {why}"),
        (None, None) if revision.is_collected => "removed".to_owned(),
        (None, None) => String::new(),
    }
}
