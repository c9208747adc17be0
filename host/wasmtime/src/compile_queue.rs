//! Compilations that wait or run, with those who wait for them, and the components that are in use.
//!
//! [`highlander_core::engine::compile_queue`] decides the order. A request that is dropped leaves its job; the last one
//! takes the job along, and the compiler of an upload is stopped.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use highlander_core::engine::compile_queue::{self, CompileClass, Departure, JobId, Ticket};
use highlander_core::engine::{LoadError, LoadPurpose};
use highlander_core::id::Digest;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::compilations::Compilations;
use super::component::WasmComponent;

/// Result of a job, for all who wait for it.
pub(super) type Loaded = Result<Arc<WasmComponent>, LoadError>;

/// Queue of an engine.
pub(super) struct CompileQueue {
    state: Mutex<State>,
    compilations: Compilations,
}

#[derive(Default)]
struct State {
    order: compile_queue::CompileQueue,
    jobs: HashMap<JobId, Job>,
    /// Components that are in use, so that none is compiled or loaded twice at the same time.
    in_use: HashMap<Digest, Weak<WasmComponent>>,
}

struct Job {
    digest: Digest,
    wasm: Bytes,
    loaded: watch::Sender<Option<Loaded>>,
    is_abandoned: Arc<AtomicBool>,
}

/// Job that has begun.
pub(super) struct Begun {
    id: JobId,
    pub(super) digest: Digest,
    pub(super) wasm: Bytes,
    /// Set once the last requester has left.
    pub(super) is_abandoned: Arc<AtomicBool>,
}

/// Request in the queue, which leaves it when it is dropped.
pub(super) struct Request<'a> {
    queue: &'a CompileQueue,
    ticket: Ticket,
    loaded: watch::Receiver<Option<Loaded>>,
}

impl CompileQueue {
    pub(super) fn new(compilations: Compilations) -> Self {
        Self { state: Mutex::default(), compilations }
    }

    /// Returns the component if an object uses it.
    pub(super) fn in_use(&self, digest: Digest) -> Option<Arc<WasmComponent>> {
        self.state.lock().in_use.get(&digest)?.upgrade()
    }

    /// Adds a component to those in use. Returns the one that is there already, if there is one.
    pub(super) fn use_now(&self, digest: Digest, component: WasmComponent) -> Arc<WasmComponent> {
        let mut state = self.state.lock();
        if let Some(present) = state.in_use.get(&digest).and_then(Weak::upgrade) {
            return present;
        }
        let component = Arc::new(component);
        state.in_use.retain(|_, component| component.strong_count() > 0);
        state.in_use.insert(digest, Arc::downgrade(&component));
        component
    }

    /// Adds a request for a component.
    ///
    /// # Errors
    /// [`LoadError::QueueFull`].
    pub(super) fn enter(
        &self,
        digest: Digest,
        wasm: Bytes,
        purpose: &LoadPurpose,
    ) -> Result<Request<'_>, LoadError> {
        let mut state = self.state.lock();
        let entered = state.order.enter(digest, purpose);
        let ticket = entered.map_err(|full| LoadError::QueueFull(full.to_string()))?;
        let job = state.jobs.entry(ticket.job()).or_insert_with(|| Job {
            digest,
            wasm,
            loaded: watch::Sender::default(),
            is_abandoned: Arc::default(),
        });
        let loaded = job.loaded.subscribe();
        self.count_waiting(&state);
        Ok(Request { queue: self, ticket, loaded })
    }

    /// Begins the job that is next, if there is a slot for it.
    pub(super) fn begin_next(&self) -> Option<Begun> {
        let mut state = self.state.lock();
        let id = state.order.begin_next()?;
        self.count_waiting(&state);
        let job = state.jobs.get(&id)?;
        let (wasm, is_abandoned) = (job.wasm.clone(), Arc::clone(&job.is_abandoned));
        Some(Begun { id, digest: job.digest, wasm, is_abandoned })
    }

    /// Ends a job with its result.
    pub(super) fn end(&self, begun: &Begun, loaded: Loaded) {
        let mut state = self.state.lock();
        state.order.end(begun.id);
        if let Some(job) = state.jobs.remove(&begun.id) {
            job.loaded.send_replace(Some(loaded));
        }
    }

    fn leave(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        match state.order.leave(ticket) {
            Departure::Stays => {}
            Departure::Removed => drop(state.jobs.remove(&ticket.job())),
            Departure::Abandoned => {
                if let Some(job) = state.jobs.get(&ticket.job()) {
                    job.is_abandoned.store(true, Ordering::Relaxed);
                }
            }
        }
        self.count_waiting(&state);
    }

    fn count_waiting(&self, state: &State) {
        for class in CompileClass::ALL {
            self.compilations.set_waiting(class, state.order.waiting(class));
        }
    }
}

impl fmt::Debug for CompileQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompileQueue").finish_non_exhaustive()
    }
}

impl Request<'_> {
    /// Waits for the result.
    pub(super) async fn loaded(mut self) -> Loaded {
        let loaded = self.loaded.wait_for(Option::is_some).await;
        let loaded = loaded.ok().and_then(|loaded| loaded.clone());
        loaded.unwrap_or_else(|| Err(LoadError::Failed("the node is shutting down".to_owned())))
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.queue.leave(self.ticket);
    }
}

#[cfg(test)]
mod tests;
