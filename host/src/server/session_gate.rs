//! Guards session creation: if the registry rejects the node before its first session, the process exits; once
//! shutdown has begun, no session is opened.
//!
//! An unavailable registry is not a reason to exit. A rejection after an accepted session may be temporary, so it
//! is retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use highlander_core::registry::{Error, Registry, Sessions};
use tokio::sync::watch;

/// Opens sessions until it is closed.
#[derive(Debug)]
pub(super) struct SessionGate {
    sessions: Arc<dyn Sessions>,
    has_begun: AtomicBool,
    is_closed: AtomicBool,
    denied: watch::Sender<Option<Error>>,
}

impl SessionGate {
    pub(super) fn new(sessions: Arc<dyn Sessions>) -> Self {
        Self {
            sessions,
            has_begun: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            denied: watch::Sender::new(None),
        }
    }

    /// Prevents further sessions.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    /// Waits until the registry rejects a node that has had no session yet, and returns the error.
    pub(super) async fn denied(&self) -> Error {
        let mut denied = self.denied.subscribe();
        // `self` owns the sender, so the wait cannot fail.
        let found = denied.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        match found {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Sessions for SessionGate {
    async fn begin(&self) -> Result<Arc<dyn Registry>, Error> {
        if self.is_closed.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        let begun = self.sessions.begin().await;
        match &begun {
            Ok(registry) if self.is_closed.load(Ordering::SeqCst) => {
                registry.leave().await;
                std::future::pending::<()>().await;
            }
            Ok(_) => self.has_begun.store(true, Ordering::SeqCst),
            Err(error @ Error::Denied(_)) if !self.has_begun.load(Ordering::SeqCst) => {
                self.denied.send_replace(Some(error.clone()));
            }
            Err(_) => {}
        }
        begun
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use parking_lot::Mutex;

    use super::*;
    use crate::registry::local::{Directory, LocalSessions};

    /// Returns these errors first, the last one first, and then sessions.
    #[derive(Debug)]
    struct Refusing(Mutex<Vec<Error>>, LocalSessions);

    #[async_trait]
    impl Sessions for Refusing {
        async fn begin(&self) -> Result<Arc<dyn Registry>, Error> {
            let error = self.0.lock().pop();
            match error {
                Some(error) => Err(error),
                None => self.1.begin().await,
            }
        }
    }

    fn gate(errors: Vec<Error>) -> SessionGate {
        let sessions = LocalSessions::new(Directory::new(), "node", "127.0.0.1:1");
        SessionGate::new(Arc::new(Refusing(Mutex::new(errors), sessions)))
    }

    #[tokio::test]
    async fn a_node_that_is_not_let_in_is_told() {
        let denied = Error::Denied("no".to_owned());
        let gate = gate(vec![denied.clone(), Error::Unavailable("later".to_owned())]);
        assert!(gate.begin().await.is_err());
        assert_eq!(gate.denied().now_or_never(), None);
        assert!(gate.begin().await.is_err());
        assert_eq!(gate.denied().now_or_never(), Some(denied));
    }

    #[tokio::test]
    async fn a_node_that_was_let_in_once_tries_on() {
        let gate = gate(Vec::new());
        gate.begin().await.unwrap();
        let refusing = Error::Denied("no".to_owned());
        assert_eq!(gate.denied().now_or_never(), None, "{refusing}");
    }

    #[tokio::test]
    async fn a_closed_gate_begins_no_session() {
        let gate = gate(Vec::new());
        gate.close();
        assert!(gate.begin().now_or_never().is_none());
    }
}
