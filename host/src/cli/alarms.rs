//! The `alarms` command: lists an object's scheduled and failed alarms, and retries or drops failed ones.
//! Tables truncate arguments; `--json` prints them whole. Numbers in arguments are printed as the node sent them.

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{self, Client, Request, object_path};
use super::failure::Failure;
use super::messages::{Which, path_of, row, short};
use super::output;
use crate::id::ObjectId;

/// `highlander alarms`
#[derive(Debug, Args)]
pub(super) struct Alarms {
    /// Object, such as reminder/home
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
    /// Schedule one failed alarm again, or all
    #[arg(long, value_name = "NUMBER|all", conflicts_with = "drop")]
    retry: Option<Which>,
    /// Drop one failed alarm, or all
    #[arg(long, value_name = "NUMBER|all")]
    drop: Option<Which>,
}

#[derive(Debug, Deserialize)]
struct Shown {
    alarms: Vec<Box<RawValue>>,
    failed_alarms: Vec<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Alarm {
    number: Option<u64>,
    name: String,
    due_ms: u64,
    every_ms: Option<u64>,
    handler: String,
    argument: Box<RawValue>,
    tries: u32,
    why: Option<String>,
}

impl Alarms {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match (self.retry, self.drop) {
            (Some(which), _) => self.change(client, Method::POST, "/retry", which).await,
            (None, Some(which)) => self.change(client, Method::DELETE, "", which).await,
            (None, None) => self.show(client).await,
        }
    }

    async fn show(&self, client: &Client) -> Result<(), Failure> {
        let shown: Shown = client.send(Request::get(path_of(&self.id))).await?.read()?;
        let all = || shown.alarms.iter().chain(&shown.failed_alarms);
        if client.is_json {
            return output::documents(all());
        }
        let head = ["NUMBER", "STATE", "NAME", "DUE", "EVERY", "HANDLER", "ARGUMENT", "WHY"];
        let mut rows = vec![row(head)];
        for document in all() {
            rows.push(client::read::<Alarm>(document)?.row());
        }
        output::table(&rows)
    }

    async fn change(
        &self,
        client: &Client,
        method: Method,
        rest: &str,
        which: Which,
    ) -> Result<(), Failure> {
        let query = which.0.map_or(String::new(), |number| format!("?number={number}"));
        let path = format!("{}/alarms{rest}{query}", object_path(&self.id));
        let word = if method == Method::POST { "are set again" } else { "are dropped" };
        let answer = client.send(Request::new(method, path)).await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        let count: u64 = answer.read()?;
        output::note(&format!("{count} failed alarms of {} {word}", self.id));
        Ok(())
    }
}

impl Alarm {
    fn row(&self) -> Vec<String> {
        let state = match (self.number, self.tries) {
            (Some(_), _) => "given up".to_owned(),
            (None, 0) => "set".to_owned(),
            (None, tries) => format!("failed {tries} times"),
        };
        let number = self.number.map_or("-".to_owned(), |number| number.to_string());
        let (due, argument) = (output::time(self.due_ms), short(&self.argument));
        let every = self.every_ms.map_or("once".to_owned(), |every| format!("{every}ms"));
        let why = self.why.as_deref().unwrap_or_default();
        row([&number, &state, &self.name, &due, &every, &self.handler, &argument, why])
    }
}
