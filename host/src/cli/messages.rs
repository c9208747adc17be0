//! The `messages` command: lists the messages that an object has sent, and retries or drops the failed ones.
//! Tables truncate arguments; `--json` prints them whole. Arguments are never parsed, so their numbers are printed
//! as the node sent them.

use clap::Args;
use highlander_core::id::ObjectId;
use serde_json::value::RawValue;

use super::client::{self, Client, Request};
use super::failure::Failure;
use super::given_up::{GivenUp, Which};
use super::output;
use crate::wire::effects::{EffectsView, MessageView};

const DEAD: GivenUp = GivenUp {
    command: "messages",
    noun: "dead letters",
    one: "dead letter",
    retried: "will be sent again",
};

/// `highlander messages`
#[derive(Debug, Args)]
pub(super) struct Messages {
    /// Object that sent the messages, such as list/home
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
    /// Send one failed message again, or all
    #[arg(long, value_name = "NUMBER|all", conflicts_with = "drop", allow_negative_numbers = true)]
    retry: Option<Which>,
    /// Drop one failed message, or all
    #[arg(long, value_name = "NUMBER|all", allow_negative_numbers = true)]
    drop: Option<Which>,
}

/// An object's alarms and messages, each as a raw document.
pub(super) type RawEffects = EffectsView<Box<RawValue>>;

impl Messages {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match (self.retry, self.drop) {
            (Some(which), _) => DEAD.retry(client, &self.id, which).await,
            (None, Some(which)) => DEAD.drop(client, &self.id, which).await,
            (None, None) => self.show(client).await,
        }
    }

    async fn show(&self, client: &Client) -> Result<(), Failure> {
        let shown: RawEffects = client.send(Request::get(path_of(&self.id))).await?.read()?;
        if client.is_json {
            return output::documents(shown.pending.iter().chain(&shown.dead));
        }
        let mut rows = vec![row(["NUMBER", "STATE", "TO", "HANDLER", "ARGUMENT", "WHY"])];
        for document in &shown.pending {
            let MessageView { number, to, handler, argument, tries, .. } = client::read(document)?;
            let tried = tries.filter(|tries| *tries > 0);
            let why = tried.map_or(String::new(), |tries| format!("rejected {tries} times"));
            let (number, argument) = (number.to_string(), short(argument));
            rows.push(row([&number, "pending", &to, &handler, &argument, &why]));
        }
        for document in &shown.dead {
            let MessageView { number, to, handler, argument, why, .. } = client::read(document)?;
            let (number, argument) = (number.to_string(), short(argument));
            let why = why.unwrap_or_default();
            rows.push(row([&number, "dead letter", &to, &handler, &argument, &why]));
        }
        output::table(&rows)
    }
}

/// The path of what an object has sent and set.
pub(super) fn path_of(id: &ObjectId) -> String {
    DEAD.path_of(id)
}

pub(super) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(ToOwned::to_owned).into()
}

/// Returns the beginning of an argument, for recognition.
pub(super) fn short(argument: Option<&RawValue>) -> String {
    let text = output::compact(argument.map_or("null", RawValue::get));
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that `f64` cannot represent exactly.
    const ARGUMENT: &str = "{\"id\": 9007199254740993, \"sum\": 0.10000000000000000001, \"x\": -0}";

    #[test]
    fn arguments_keep_their_numbers() {
        let text =
            format!(r#"{{"number":1,"to":"a/b","handler":"h","argument":{ARGUMENT},"tries":0}}"#);
        let document = RawValue::from_string(text).unwrap();
        let message: MessageView<'_> = client::read(&document).unwrap();
        let expected = r#"{"id":9007199254740993,"sum":0.10000000000000000001,"x":-0}"#;
        assert_eq!(short(message.argument), expected);
        assert_eq!(short(None), "null");
    }

    #[test]
    fn a_long_argument_is_cut() {
        let long = RawValue::from_string(format!("\"{}\"", "ä".repeat(80))).unwrap();
        assert_eq!(short(Some(&long)), format!("\"{}…", "ä".repeat(59)));
    }
}
