//! The `watch` command: prints the events of an object, and reconnects whenever the stream ends.
//!
//! The command fails if the first connection fails. A later interruption resumes after the last printed event, so
//! nothing is printed twice, and a `reset` event reports a gap.

use std::time::Duration;

use clap::Args;
use highlander_core::events::event_id::EventId;
use highlander_core::events::frame::CLOSED;
use highlander_core::events::is_event_name;
use highlander_core::id::ObjectId;

use super::arguments::at_least_one;
use super::client::{Client, Request, Stream, object_path};
use super::failure::{Exit, Failure};
use super::output;
use crate::wire::events::Closed;
use crate::wire::sse::{Reader, Received};

/// Minimum and maximum backoff before reconnecting.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// `highlander watch`
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Object to watch, such as todo/42
    #[arg(value_name = "TYPE/KEY")]
    id: ObjectId,
    /// Start after this event ID or version, if it is still available [default: the current state]
    #[arg(long, value_name = "ID")]
    after: Option<EventId>,
    /// Exit after this many events [default: never]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = at_least_one)]
    count: Option<u64>,
}

/// Progress of the command.
struct Progress {
    /// ID of the last printed event.
    after: Option<String>,
    /// Number of events left to print.
    left: Option<u64>,
    /// Whether an event has arrived since the last connection.
    has_heard: bool,
}

impl Watch {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("{}/events", object_path(&self.id));
        tokio::select! {
            watched = self.watch(client, &path) => watched,
            // An interrupt by the user is not a failure.
            _ = tokio::signal::ctrl_c() => Ok(()),
            // Detects a closed pipe between two events, when nothing is written that would fail.
            () = output::closed() => Ok(()),
        }
    }

    async fn watch(&self, client: &Client, path: &str) -> Result<(), Failure> {
        let after = self.after.map(|after| after.to_string());
        let mut progress = Progress { after, left: self.count, has_heard: false };
        let (mut has_begun, mut pause) = (false, PAUSE_MIN);
        while progress.left != Some(0) {
            let mut request = Request::get(path);
            if let Some(after) = &progress.after {
                request = request.with_header("last-event-id", after)?;
            }
            let why = match client.stream(request).await {
                Ok(stream) => {
                    has_begun = true;
                    progress.follow(client, stream).await?
                }
                Err(failure) if has_begun && failure.exit == Exit::Unavailable => failure.message,
                Err(failure) => return Err(failure),
            };
            if progress.left == Some(0) {
                break;
            }
            output::note(&format!("the stream ended ({why}); reconnecting"));
            pause = if progress.has_heard { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
            progress.has_heard = false;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }
}

impl Progress {
    /// Prints events until the stream ends, and returns the reason for the end.
    async fn follow(&mut self, client: &Client, mut stream: Stream) -> Result<String, Failure> {
        let mut reader = Reader::default();
        loop {
            while let Some(event) = reader.take().map_err(|error| foreign(&error.to_string()))? {
                let Received { id, name, data } = event;
                let data = String::from_utf8_lossy(&data).into_owned();
                if name == CLOSED && id.is_none() {
                    return Ok(reason(&data));
                }
                let id: Option<EventId> = id.and_then(|id| id.parse().ok());
                let id = id.filter(|_| is_event_name(&name));
                let id = id.ok_or_else(|| foreign("sent an event that cannot be parsed"))?;
                if client.is_json {
                    let document = format!(r#"{{"id":"{id}","event":"{name}","data":{data}}}"#);
                    output::document(&document)?;
                } else {
                    output::line(&format!("{id} {name} {data}"))?;
                }
                (self.after, self.has_heard) = (Some(id.to_string()), true);
                self.left = self.left.map(|left| left.saturating_sub(1));
                if self.left == Some(0) {
                    return Ok(String::new());
                }
            }
            match stream.chunk().await {
                Ok(Some(bytes)) => reader.push(&bytes),
                Ok(None) => return Ok("the node closed it".to_owned()),
                Err(()) => return Ok("the connection broke".to_owned()),
            }
        }
    }
}

/// Returns the reason that the node gave for ending the stream.
fn reason(data: &str) -> String {
    let read = serde_json::from_str(data).map(|Closed { reason, .. }| reason);
    read.unwrap_or_else(|_| "the reason cannot be parsed".to_owned())
}

fn foreign(what: &str) -> Failure {
    Failure::environment(format!("the node {what}"))
        .with_hint("check --url and HIGHLANDER_URL: it may not be a Highlander node")
}
