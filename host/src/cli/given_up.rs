//! Retries or drops the failed messages and failed alarms of an object, by number or all at once.

use std::str::FromStr;

use highlander_core::id::ObjectId;
use http::Method;

use super::client::{Client, Request, object_path};
use super::failure::Failure;
use super::output;

/// One failed message or alarm, by number, or all (`None`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Which(Option<u64>);

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(None)),
            number => number
                .parse()
                .map(|number| Self(Some(number)))
                .map_err(|_| "expected a number from the list, or all".to_owned()),
        }
    }
}

/// Failed messages, or failed alarms.
#[derive(Debug)]
pub(super) struct GivenUp {
    /// The command that lists them, which is also the last segment of their path.
    pub(super) command: &'static str,
    /// Their name in the output of the command.
    pub(super) noun: &'static str,
    /// Name of one of them.
    pub(super) one: &'static str,
    /// Result of a retry in the output, such as "are sent again".
    pub(super) retried: &'static str,
}

/// Request that changes them.
struct Change<'a> {
    method: Method,
    /// End of the path.
    rest: &'a str,
    /// Result in the output.
    done: &'a str,
}

impl GivenUp {
    /// The path for one object.
    pub(super) fn path_of(&self, id: &ObjectId) -> String {
        format!("{}/{}", object_path(id), self.command)
    }

    /// Retries them.
    pub(super) async fn retry(
        &self,
        client: &Client,
        id: &ObjectId,
        which: Which,
    ) -> Result<(), Failure> {
        let change = Change { method: Method::POST, rest: "/retry", done: self.retried };
        self.change(client, id, &change, which).await
    }

    /// Drops them.
    pub(super) async fn drop(
        &self,
        client: &Client,
        id: &ObjectId,
        which: Which,
    ) -> Result<(), Failure> {
        let change = Change { method: Method::DELETE, rest: "", done: "were dropped" };
        self.change(client, id, &change, which).await
    }

    async fn change(
        &self,
        client: &Client,
        id: &ObjectId,
        change: &Change<'_>,
        Which(number): Which,
    ) -> Result<(), Failure> {
        let Change { method, rest, done } = change;
        let query = number.map_or(String::new(), |number| format!("?number={number}"));
        let path = format!("{}{rest}{query}", self.path_of(id));
        let request = Request::new(method.clone(), path).when_unanswered(format!(
            "the request may have been executed; check before you repeat it: highlander {} {id}",
            self.command
        ));
        let answer = client.send(request).await?;
        let count = answer.read()?;
        self.found(id, number, count)?;
        if client.is_json {
            return output::json(&answer.body);
        }
        output::note(&format!("{count} {} of {id} {done}", self.noun));
        Ok(())
    }

    /// Returns an error if the one with this number was requested and does not exist.
    fn found(&self, id: &ObjectId, number: Option<u64>, count: u64) -> Result<(), Failure> {
        let Some(number) = number.filter(|_| count == 0) else { return Ok(()) };
        let text = format!("{id} has no {} {number}; nothing was changed", self.one);
        let hint = format!("list those that it has: highlander {} {id}", self.command);
        Err(Failure::rejected(text).with_hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Exit;

    const FAILED: GivenUp =
        GivenUp { command: "alarms", noun: "failed alarms", one: "failed alarm", retried: "" };

    #[test]
    fn a_number_that_does_not_exist_is_an_error() {
        let id = "reminder/a".parse().unwrap();
        let failure = FAILED.found(&id, Some(999), 0).unwrap_err();
        assert_eq!(failure.exit, Exit::Rejected);
        assert_eq!(failure.message, "reminder/a has no failed alarm 999; nothing was changed");
        assert!(failure.hint.unwrap().ends_with("highlander alarms reminder/a"));
        assert!(FAILED.found(&id, Some(1), 1).is_ok());
        assert!(FAILED.found(&id, None, 0).is_ok(), "all of none is no error");
    }
}
