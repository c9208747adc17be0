//! The `alarms` command: lists an object's scheduled and failed alarms, and retries or drops failed ones.
//! Tables truncate arguments; `--json` prints them whole. Numbers in arguments are printed as the node sent them.

use clap::Args;
use highlander_core::id::ObjectId;

use super::client::{self, Client, Request};
use super::failure::Failure;
use super::given_up::{GivenUp, Which};
use super::messages::{self, RawEffects, row, short};
use super::output;
use crate::wire::effects::AlarmView;

const FAILED: GivenUp = GivenUp {
    command: "alarms",
    noun: "failed alarms",
    one: "failed alarm",
    retried: "were scheduled again",
};

/// `highlander alarms`
#[derive(Debug, Args)]
pub(super) struct Alarms {
    /// Object, such as reminder/home
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
    /// Schedule one failed alarm again, or all
    #[arg(long, value_name = "NUMBER|all", conflicts_with = "drop", allow_negative_numbers = true)]
    retry: Option<Which>,
    /// Drop one failed alarm, or all
    #[arg(long, value_name = "NUMBER|all", allow_negative_numbers = true)]
    drop: Option<Which>,
}

impl Alarms {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match (self.retry, self.drop) {
            (Some(which), _) => FAILED.retry(client, &self.id, which).await,
            (None, Some(which)) => FAILED.drop(client, &self.id, which).await,
            (None, None) => self.show(client).await,
        }
    }

    async fn show(&self, client: &Client) -> Result<(), Failure> {
        let shown: RawEffects =
            client.send(Request::get(messages::path_of(&self.id))).await?.read()?;
        let all = || shown.alarms.iter().chain(&shown.failed_alarms);
        if client.is_json {
            return output::documents(all());
        }
        let head = ["NUMBER", "STATE", "NAME", "DUE", "EVERY", "HANDLER", "ARGUMENT", "WHY"];
        let mut rows = vec![row(head)];
        for document in all() {
            rows.push(cells(&client::read(document)?));
        }
        output::table(&rows)
    }
}

fn cells(alarm: &AlarmView<'_>) -> Vec<String> {
    let state = match (alarm.number, alarm.tries) {
        (Some(_), _) => "failed".to_owned(),
        (None, 0) => "scheduled".to_owned(),
        (None, tries) => format!("retrying after {tries} failures"),
    };
    let number = alarm.number.map_or("-".to_owned(), |number| number.to_string());
    let (due, argument) = (output::time(alarm.due_ms), short(alarm.argument));
    let every = alarm.every_ms.map_or("once".to_owned(), |every| format!("{every}ms"));
    let why = alarm.why.as_deref().unwrap_or_default();
    row([&number, &state, &alarm.name, &due, &every, &alarm.handler, &argument, why])
}
