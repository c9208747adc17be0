//! The `types` command: lists the types; shows the handlers, revisions and pinned objects of one; removes one.

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use highlander_core::engine::Description;
use http::Method;
use serde_json::value::RawValue;

use super::arguments::type_name;
use super::client::{self, Client, Request, encoded};
use super::deploy::described;
use super::failure::Failure;
use super::{output, schema};
use crate::wire::types::{DamagedType, Removed, RemovedType, Revision, Type, TypeSummary};

/// `highlander types`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(super) struct Types {
    /// Type to show with its handlers
    #[arg(value_name = "TYPE", value_parser = type_name)]
    type_name: Option<String>,
    #[command(subcommand)]
    change: Option<Change>,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Remove a type, so that its name can be used again
    ///
    /// Example: highlander types remove todo
    Remove(Remove),
}

/// `highlander types remove`
#[derive(Debug, Args)]
struct Remove {
    /// Type to remove
    #[arg(value_name = "TYPE", value_parser = type_name)]
    type_name: String,
    /// Remove the type even if it has objects, whose records stay in the store, or if its record is damaged
    #[arg(long)]
    force: bool,
}

/// The types, each as a raw document.
type Summaries = crate::wire::types::Types<Box<RawValue>>;

impl Types {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        if let Some(Change::Remove(remove)) = self.change {
            return remove.run(client).await;
        }
        let path = match &self.type_name {
            Some(name) => format!("/v1/types/{}", encoded(name)),
            None => "/v1/types".to_owned(),
        };
        let answer = client.send(Request::get(path)).await?;
        match (self.type_name.is_some(), client.is_json) {
            (true, true) => output::json(&answer.body),
            (true, false) => show(&answer.read()?),
            (false, true) => output::documents(&answer.read::<Summaries>()?.types),
            (false, false) => list(&answer.read()?),
        }
    }
}

impl Remove {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/v1/types/{}?force={}", encoded(&self.type_name), self.force);
        let answer = client.send(Request::new(Method::DELETE, path)).await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        let Removed { type_name, objects, is_counted_whole } = answer.read()?;
        if objects > 0 {
            let more = if is_counted_whole { "" } else { "or more " };
            output::note(&format!("the records of {objects} {more}objects remain in the store"));
        }
        output::line(&format!("{type_name} removed"))
    }
}

/// Reports types that cannot be used: damaged ones, and removed ones that still have objects.
fn note_others(summaries: &Summaries) {
    for DamagedType { name, reason } in &summaries.damaged {
        output::note(&format!("{name} cannot be used: {reason}"));
    }
    for RemovedType { name, objects, .. } in
        summaries.removed.iter().filter(|found| found.objects > 0)
    {
        output::note(&format!("{name} was removed, but the records of {objects} objects remain"));
    }
}

fn list(summaries: &Summaries) -> Result<(), Failure> {
    note_others(summaries);
    if summaries.types.is_empty() {
        output::note("no type is deployed yet; deploy one with: highlander deploy FILE.wasm");
        return Ok(());
    }
    let mut rows = vec![["TYPE", "REVISION", "SCHEMA", "HANDLERS"].map(str::to_owned).to_vec()];
    for document in &summaries.types {
        let TypeSummary { name, current, schema_version, handlers, .. } = client::read(document)?;
        let (current, schema) = (current.to_string(), schema_version.to_string());
        rows.push(vec![name.to_string(), current, schema, handlers.join(" ")]);
    }
    output::table(&rows)
}

/// Returns the handlers as rows: argument, reply, and the first line of the documentation.
fn handlers(description: &Description) -> Vec<Vec<String>> {
    let mut rows = vec![["  HANDLER", "KIND", "ARGUMENT", "REPLY", ""].map(str::to_owned).to_vec()];
    rows.extend(description.handlers.iter().map(|handler| {
        let first = handler.documentation.lines().next().unwrap_or_default().to_owned();
        let kind = format!("{:?}", handler.kind).to_lowercase();
        let (argument, reply) = (schema::short(&handler.argument), schema::short(&handler.reply));
        vec![format!("  {}", handler.name), kind, argument, reply, first]
    }));
    rows
}

fn show(record: &Type) -> Result<(), Failure> {
    output::line(&format!("{} revision {}", record.name, record.current))?;
    let Some(description) = &record.description else { return Ok(()) };
    description.documentation.lines().try_for_each(|text| output::line(&format!("  {text}")))?;
    output::line("handlers")?;
    output::table(&handlers(description))?;
    if let Some(types) = &record.configured_may_call {
        output::line(&format!("may call, by the configuration of the node: {types}"))?;
    }
    output::line("revisions")?;
    let head = [
        "  NUMBER",
        "COMPONENT",
        "SIZE",
        "SCHEMA",
        "DEPLOYED",
        "BY",
        "MAY CALL",
        "LIVE OBJECTS",
        "",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(record.revisions.iter().rev().map(|revision| {
        vec![
            format!("  {}", revision.number),
            revision.digest.to_string().chars().take(12).collect(),
            ByteSize(revision.bytes).to_string(),
            revision.schema_version.to_string(),
            output::time(revision.deployed_at_ms),
            revision.deployed_by.clone(),
            revision.may_call.to_string(),
            revision.live_objects.to_string(),
            remark(record, revision),
        ]
    }));
    output::table(&rows)?;
    if record.pinned.is_empty() {
        return Ok(());
    }
    output::line("objects that stay on their present revision")?;
    let rows = record
        .pinned
        .iter()
        .map(|(key, why)| vec![format!("  {}/{key}", record.name), why.clone()]);
    output::table(&rows.collect::<Vec<_>>())
}

fn remark(record: &Type, revision: &Revision) -> String {
    let coming = record.rollout.as_ref().filter(|rollout| rollout.revision == revision.number);
    match (coming, &revision.rolled_back) {
        (Some(rollout), _) => described(rollout),
        (None, _) if record.current == revision.number => "current".to_owned(),
        (None, Some(why)) => format!("rolled back: {why}"),
        (None, None) if revision.is_collected => "removed".to_owned(),
        (None, None) => String::new(),
    }
}
