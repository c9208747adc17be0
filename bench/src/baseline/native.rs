//! Baseline b: counters as tasks with channels, and a log that is synced before the response to an update.
//!
//! This is a handwritten solution for this one type: without sandbox, ownership, versions or deployments.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::log::{self, Entry};

/// Calls that may wait for one counter, as in the host.
const MAILBOX_LEN: usize = 128;

/// Request to a counter, which replies with its value.
#[derive(Debug)]
enum Message {
    Increment(oneshot::Sender<u64>),
    Value(oneshot::Sender<u64>),
}

#[derive(Debug)]
struct Counters {
    mailboxes: Mutex<HashMap<String, mpsc::Sender<Message>>>,
    log: mpsc::Sender<Entry>,
}

pub(super) fn router() -> Result<Router> {
    let counters = Counters { mailboxes: Mutex::default(), log: log::start()? };
    let router = Router::new().route("/v1/objects/{type}/{key}/{handler}", post(call));
    Ok(router.with_state(Arc::new(counters)))
}

async fn call(
    State(counters): State<Arc<Counters>>,
    Path((_, key, handler)): Path<(String, String, String)>,
) -> Response {
    let (answer, answered) = oneshot::channel();
    let message = match handler.as_str() {
        "increment" => Message::Increment(answer),
        "value" => Message::Value(answer),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let mailbox = counters.mailbox(key);
    if mailbox.send(message).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match answered.await {
        Ok(value) => ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

impl Counters {
    /// Returns the mailbox of a counter, and starts the counter if there is none.
    fn mailbox(&self, key: String) -> mpsc::Sender<Message> {
        let mut mailboxes = self.mailboxes.lock();
        if let Some(mailbox) = mailboxes.get(&key) {
            return mailbox.clone();
        }
        let (mailbox, messages) = mpsc::channel(MAILBOX_LEN);
        tokio::spawn(count(key.clone(), messages, self.log.clone()));
        mailboxes.insert(key, mailbox.clone());
        mailbox
    }
}

/// Runs one counter. It continues while its updates are being synced: the log keeps their order.
async fn count(key: String, mut messages: mpsc::Receiver<Message>, log: mpsc::Sender<Entry>) {
    let mut value = 0;
    while let Some(message) = messages.recv().await {
        match message {
            Message::Value(answer) => drop(answer.send(value)),
            Message::Increment(durable) => {
                value += 1;
                if log.send(Entry { key: key.clone(), value, durable }).await.is_err() {
                    return;
                }
            }
        }
    }
}
