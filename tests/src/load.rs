//! Closed-loop callers: each calls, waits for the response, and calls again, until it is stopped or its node is
//! gone.
//!
//! The [`Recorder`] that they share keeps the outcomes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::client::Client;
use crate::history::Outcome;
use crate::history::recorder::Recorder;

/// Callers of one counter.
#[derive(Debug)]
pub struct Load {
    callers: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    recorder: Arc<Recorder>,
    client: Client,
    is_over: AtomicBool,
    failed_count: AtomicU64,
}

impl Load {
    /// Starts this many callers. `round` is part of their idempotency keys.
    #[must_use]
    pub fn start(client: &Client, recorder: &Arc<Recorder>, caller_count: u64, round: u64) -> Self {
        let shared = Arc::new(Shared {
            recorder: Arc::clone(recorder),
            client: client.clone(),
            is_over: AtomicBool::new(false),
            failed_count: AtomicU64::new(0),
        });
        let mut callers = JoinSet::new();
        for caller in 0..caller_count {
            callers.spawn(go_on(Arc::clone(&shared), format!("{round}-{caller}")));
        }
        Self { callers, shared }
    }

    /// Lets every caller finish its current call, and returns the number of failed calls.
    pub async fn stop(self) -> u64 {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.end().await
    }

    /// Waits until every caller has lost its node, and returns the number of failed calls.
    pub async fn end(mut self) -> u64 {
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        self.shared.failed_count.load(Ordering::Relaxed)
    }
}

/// Calls in a loop: every third call has an idempotency key, every seventh only reads.
async fn go_on(shared: Arc<Shared>, name: String) {
    let Shared { recorder, client, .. } = &*shared;
    for turn in 0_u64.. {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        let key = (turn % 3 == 0).then(|| format!("{name}-{turn}"));
        let outcome = match turn % 7 {
            6 => recorder.read(client).await,
            _ => recorder.change(client, key.as_deref()).await,
        };
        if !matches!(outcome, Outcome::Done(_)) {
            shared.failed_count.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
}
