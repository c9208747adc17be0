//! The command about the messages that an object has sent.
//! Arguments are cut short in tables; `--json` has them whole.

use std::str::FromStr;

use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, Request, object_path};
use super::failure::Failure;
use super::output;
use crate::id::ObjectId;

/// `highlander messages`
#[derive(Debug, Args)]
pub(super) struct Messages {
    /// The object that sent them, like list/home
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
    /// Send one that was given up anew, or all
    #[arg(long, value_name = "NUMBER|all", conflicts_with = "drop")]
    retry: Option<Which>,
    /// Drop one that was given up, or all
    #[arg(long, value_name = "NUMBER|all")]
    drop: Option<Which>,
}

/// One of those that were given up, or all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which(pub(super) Option<u64>);

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(None)),
            number => number
                .parse()
                .map(|number| Self(Some(number)))
                .map_err(|_| "it is a number, as the list shows it, or all".to_owned()),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Shown {
    pending: Vec<Message>,
    dead: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    number: u64,
    to: String,
    handler: String,
    argument: Value,
    tries: Option<u32>,
    why: Option<String>,
}

impl Messages {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match (self.retry, self.drop) {
            (Some(which), _) => self.change(client, Method::POST, "/retry", which).await,
            (None, Some(which)) => self.change(client, Method::DELETE, "", which).await,
            (None, None) => self.show(client).await,
        }
    }

    async fn show(&self, client: &Client) -> Result<(), Failure> {
        let answer = client.send(Request::get(path_of(&self.id)?)).await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        let shown: Shown = answer.read()?;
        let mut rows = vec![row(["NUMBER", "STATE", "TO", "HANDLER", "ARGUMENT", "WHY"])];
        for Message { number, to, handler, argument, tries, .. } in &shown.pending {
            let tried = tries.filter(|tries| *tries > 0);
            let why = tried.map_or(String::new(), |tries| format!("refused {tries} times"));
            let (number, argument) = (number.to_string(), short(argument));
            rows.push(row([&number, "pending", to, handler, &argument, &why]));
        }
        for Message { number, to, handler, argument, why, .. } in &shown.dead {
            let why = why.as_deref().unwrap_or_default();
            let (number, argument) = (number.to_string(), short(argument));
            rows.push(row([&number, "given up", to, handler, &argument, why]));
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
        let path = format!("{}{rest}{query}", path_of(&self.id)?);
        let word = if method == Method::POST { "sent anew" } else { "dropped" };
        let answer = client
            .send(Request::new(method, path).when_unanswered(format!(
                "it may have been done: look before you repeat it: highlander messages {}",
                self.id
            )))
            .await?;
        if client.is_json {
            return output::json(&answer.body);
        }
        let count: u64 = answer.read()?;
        output::note(&format!("{count} messages of {} {word}", self.id));
        Ok(())
    }
}

pub(super) fn path_of(id: &ObjectId) -> Result<String, Failure> {
    Ok(format!("{}/messages", object_path(id)?))
}

pub(super) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(ToOwned::to_owned).into()
}

/// The beginning of an argument: enough to recognise it.
pub(super) fn short(argument: &Value) -> String {
    let text = argument.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
