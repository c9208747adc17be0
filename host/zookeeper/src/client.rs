//! ZooKeeper client of one session, with a time limit on every operation. Ending the session ends every operation.
//!
//! The client library silently queues operations while the connection is down, and an operation whose caller was
//! cancelled may still take effect. Every operation therefore has a time limit; after it, the outcome is unknown.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use zookeeper_client::{Acls, Client, Error as ClientError, SessionState, StateWatcher};

use super::error::Failure;

/// Connection of one session.
pub(super) struct SessionClient {
    /// `None` once the session has ended: the library closes a session when its last client is dropped.
    client: Mutex<Option<Client>>,
    states: Mutex<StateWatcher>,
    is_over: watch::Sender<bool>,
    session_id: i64,
    timeout: Duration,
    acls: Acls<'static>,
}

impl SessionClient {
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

    /// Returns the session timeout that the servers granted.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the time limit of one operation.
    pub(super) fn limit(&self) -> Duration {
        self.timeout / 2
    }

    /// Returns the session's id, which the servers report as the owner of its ephemeral znodes.
    pub(super) fn session_id(&self) -> i64 {
        self.session_id
    }

    /// Returns the access control list of new znodes.
    pub(super) fn acls(&self) -> Acls<'static> {
        self.acls
    }

    /// Runs an operation with the usual time limit.
    pub(super) async fn request<T, F>(&self, act: impl FnOnce(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        self.request_with_timeout(self.limit(), act).await
    }

    /// Runs an operation with a time limit. After a timeout it may still take effect.
    pub(super) async fn request_with_timeout<T, F>(
        &self,
        limit: Duration,
        act: impl FnOnce(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let client = self.client.lock().clone().ok_or(Failure::Over)?;
        tokio::select! {
            biased;
            // A waiting operation must not keep a client, and with it the session, alive.
            () = self.over() => Err(Failure::Over),
            answer = tokio::time::timeout(limit, act(client)) => match answer {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(Failure::Unknown(format!("no response within {limit:?}"))),
            },
        }
    }

    /// Returns a watcher of the connection's future states.
    pub(super) fn states(&self) -> StateWatcher {
        self.states.lock().clone()
    }

    /// Drops the client; the library then closes the session.
    pub(super) fn close(&self) {
        self.is_over.send_replace(true);
        drop(self.client.lock().take());
    }

    /// Waits until the session has ended.
    pub(super) async fn over(&self) {
        // The wait cannot fail, because `self` owns the sender.
        let _ = self.is_over.subscribe().wait_for(|is_over| *is_over).await;
    }

    /// Waits until the servers have closed the session, or have expired it.
    pub(super) async fn closed(&self) {
        let mut states = self.states();
        let closed = async {
            while !is_terminal(states.peek_state()) && !is_terminal(states.changed().await) {}
        };
        // After the session timeout, the servers have expired the session anyway.
        let _ = tokio::time::timeout(self.timeout, closed).await;
    }
}

/// Whether the library has given up the session.
pub(super) fn is_terminal(state: SessionState) -> bool {
    matches!(state, SessionState::Expired | SessionState::Closed | SessionState::AuthFailed)
}
