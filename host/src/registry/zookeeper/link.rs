//! The one way to the servers: the client library, with a time limit on everything and an end that ends everything.
//!
//! Operations that are called while the connection is down wait in the library's queue without a word, and one whose
//! caller has gone still takes place. So each has a limit here, and passing it means that the outcome is unknown.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use zookeeper_client::{Acls, Client, Error as ClientError, SessionState, StateWatcher};

use super::failure::Failure;

/// The connection of one session.
pub(super) struct Link {
    /// Gone once the session is over: the library closes a session when the last of its clients is dropped.
    client: Mutex<Option<Client>>,
    states: Mutex<StateWatcher>,
    is_over: watch::Sender<bool>,
    session_id: i64,
    timeout: Duration,
    acls: Acls<'static>,
}

impl Link {
    pub(super) fn new(client: Client, acls: Acls<'static>) -> Self {
        Self {
            states: Mutex::new(client.state_watcher()),
            is_over: watch::Sender::new(false),
            session_id: client.session_id().0,
            timeout: client.session_timeout(),
            client: Mutex::new(Some(client)),
            acls,
        }
    }

    /// The session timeout that the servers granted.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long the answer to one operation is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.timeout / 2
    }

    /// What a znode that is this session's names as its owner.
    pub(super) fn session_id(&self) -> i64 {
        self.session_id
    }

    /// Who may do what with a new znode.
    pub(super) fn acls(&self) -> Acls<'static> {
        self.acls
    }

    /// Waits for the answer to an operation, for as long as is usual.
    pub(super) async fn ask<T, F>(&self, act: impl FnOnce(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        self.ask_within(self.patience(), act).await
    }

    /// Waits for the answer to an operation. It may take place though there was none in time.
    pub(super) async fn ask_within<T, F>(
        &self,
        patience: Duration,
        act: impl FnOnce(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let client = lock(&self.client).clone().ok_or(Failure::Over)?;
        tokio::select! {
            biased;
            // What waits must not keep a client, and the session with it, alive.
            () = self.over() => Err(Failure::Over),
            answer = tokio::time::timeout(patience, act(client)) => match answer {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(Failure::Unknown(format!("no answer within {patience:?}"))),
            },
        }
    }

    /// Changes of the connection's state, from now on.
    pub(super) fn states(&self) -> StateWatcher {
        lock(&self.states).clone()
    }

    /// Lets go of the session, which the library then closes.
    pub(super) fn close(&self) {
        self.is_over.send_replace(true);
        drop(lock(&self.client).take());
    }

    /// Waits until the session is over.
    pub(super) async fn over(&self) {
        // The sender is this value's own, so that waiting cannot fail.
        let _ = self.is_over.subscribe().wait_for(|is_over| *is_over).await;
    }

    /// Waits until the servers know that the session is over, or they end it by themselves.
    pub(super) async fn closed(&self) {
        let mut states = self.states();
        let closed = async {
            while !is_terminal(states.peek_state()) && !is_terminal(states.changed().await) {}
        };
        // After the session timeout the servers need no telling.
        let _ = tokio::time::timeout(self.timeout, closed).await;
    }
}

/// Whether the library has given the session up.
pub(super) fn is_terminal(state: SessionState) -> bool {
    matches!(state, SessionState::Expired | SessionState::Closed | SessionState::AuthFailed)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
