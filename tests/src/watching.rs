//! Watching an object as a browser does: server-sent events, read as they come, and checked for their order.
//! It does not come back by itself: whether a stream ends is what tests look at.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::client::Client;
use crate::wait;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its id; none for what is said of the stream itself.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Value,
}

impl Seen {
    /// The version that it belongs to, and its number within it: the greatest for the end of a version.
    #[must_use]
    pub fn place(&self) -> (u64, u32) {
        let id = self.id.as_deref().expect("an id");
        match id.split_once('.') {
            Some((version, number)) => (version.parse().unwrap(), number.parse().unwrap()),
            None => (id.parse().unwrap(), u32::MAX),
        }
    }

    /// `ID NAME`.
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
    /// Begins to watch, after what was seen already if anything was.
    ///
    /// # Panics
    /// Where the node refuses.
    pub async fn begin(client: &Client, object: &str, after: Option<&str>) -> Self {
        Self::try_begin(client, object, after).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same where the node may be gone.
    ///
    /// # Errors
    /// Where it does not answer.
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

    /// The next event; none where the stream ends.
    ///
    /// # Panics
    /// Where nothing comes, and where what comes is no event.
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
            // Nothing but ASCII is published in these tests.
            self.text.push_str(std::str::from_utf8(&bytes).expect("text"));
        }
    }

    /// The events up to the end of a version.
    ///
    /// # Panics
    /// Where the stream ends before.
    pub async fn until(&mut self, version: u64) -> Vec<Seen> {
        let mut events = Vec::new();
        loop {
            let before = events.last().map(Seen::short);
            let seen = self.next().await.unwrap_or_else(|| panic!("the end, after {before:?}"));
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

/// Asserts that nothing is missing and nothing out of order: each version follows the one before, or a reset says that
/// it does not. Gives how many resets there were after the first event.
///
/// # Panics
/// Where that is not so.
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
