//! Subscribes to an object as a browser does: reads server-sent events, and checks their order. It never
//! reconnects automatically, because tests check whether a stream ends.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::client::Client;
use crate::wait;

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Id; `None` for events about the stream itself.
    pub id: Option<String>,
    /// Name.
    pub name: String,
    /// Data.
    pub data: Value,
}

impl Seen {
    /// Returns the version of the event, and its number within the version: the maximum for the end of a version.
    #[must_use]
    pub fn place(&self) -> (u64, u32) {
        let id = self.id.as_deref().expect("an id");
        match id.split_once('.') {
            Some((version, number)) => (version.parse().unwrap(), number.parse().unwrap()),
            None => (id.parse().unwrap(), u32::MAX),
        }
    }

    /// Formats the event as `ID NAME`.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{} {}", self.id.as_deref().unwrap_or("-"), self.name)
    }
}

/// A stream of events.
#[derive(Debug)]
pub struct Watching {
    response: reqwest::Response,
    text: String,
}

impl Watching {
    /// Subscribes, after the last event id already seen, if any.
    ///
    /// # Panics
    /// If the node rejects the subscription.
    pub async fn begin(client: &Client, object: &str, after: Option<&str>) -> Self {
        Self::try_begin(client, object, after).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Subscribes at a node that may be gone.
    ///
    /// # Errors
    /// If the node does not respond.
    pub async fn try_begin(
        client: &Client,
        object: &str,
        after: Option<&str>,
    ) -> Result<Self, String> {
        let request = client.get(&format!("/v1/objects/{object}/events"));
        let request =
            after.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = request.timeout(Duration::from_hours(1)).begin().await;
        let response = response.map_err(|error| error.to_string())?;
        if response.status() != 200 {
            return Err(response.text().await.unwrap_or_default());
        }
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Ok(Self { response, text: String::new() })
    }

    /// Returns the next event, or `None` if the stream ends.
    ///
    /// # Panics
    /// If nothing arrives within the time limit, or if the data is not a valid event.
    pub async fn next(&mut self) -> Option<Seen> {
        wait::within("there is an event", self.read()).await
    }

    async fn read(&mut self) -> Option<Seen> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                match seen(&event) {
                    Some(seen) => return Some(seen),
                    None => continue,
                }
            }
            let bytes = self.response.chunk().await.ok()??;
            // These tests publish only ASCII, so no character is split.
            self.text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }

    /// Returns the events up to the end of a version.
    ///
    /// # Panics
    /// If the stream ends before.
    pub async fn until(&mut self, version: u64) -> Vec<Seen> {
        let mut events = Vec::new();
        loop {
            let before = events.last().map(Seen::short);
            let seen =
                self.next().await.unwrap_or_else(|| panic!("the stream ended after {before:?}"));
            assert_ne!(seen.name, "closed", "after {before:?}: {}", seen.data);
            let is_last = seen.place() >= (version, u32::MAX);
            events.push(seen);
            if is_last {
                return events;
            }
        }
    }
}

fn seen(event: &str) -> Option<Seen> {
    let field = |name: &str| {
        let mut lines =
            event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        lines.next().map(str::to_owned)
    };
    let data = field("data")?;
    let data = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
    Some(Seen { id: field("id"), name: field("event").expect("a name"), data })
}

/// Asserts that events are complete and in order: each version follows the previous one, or a reset announces the
/// gap. Returns the number of resets after the first event.
///
/// # Panics
/// If an event is missing or out of order.
#[must_use]
pub fn check_order(events: &[Seen]) -> usize {
    let mut resets = 0;
    for pair in events.windows(2) {
        let (before, after) = (pair[0].place(), pair[1].place());
        assert!(before < after, "{} is after {}", pair[1].short(), pair[0].short());
        if pair[1].name == "reset" {
            resets += 1;
        } else {
            let is_next = after.0 == before.0 || (after.0 == before.0 + 1 && before.1 == u32::MAX);
            assert!(is_next, "{} follows {}", pair[1].short(), pair[0].short());
        }
    }
    resets
}
