//! One node's part of a rehearsal: a revision reads real states without becoming any object's code.
//!
//! Records are read from the store into separate instances; nothing is claimed, activated or written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use highlander_core::engine::{
    Component, Description, Fault, GuestCall, HandlerKind, RestoreError, Snapshot,
};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::ObjectId;
use highlander_core::store::Store as _;
use highlander_core::store::record::{Record, codec};
use highlander_system::clock;

use super::Node;
use crate::wire::rehearsals::{Failures, Rehearsed, Staged};

/// Number of states read concurrently; low, so that calls are hardly affected.
const READ_AT_ONCE: usize = 4;
/// Time limit for one state, including its queries.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Node {
    /// Reads the states of these objects with a component, and runs the queries that take no argument.
    ///
    /// # Errors
    /// The component cannot be loaded.
    pub async fn rehearse(&self, staged: &Staged, ids: Vec<ObjectId>) -> Result<Rehearsed, Error> {
        let component = self.catalog.staged(staged).await?;
        let described = self.catalog.description_of(Arc::clone(&component)).await;
        let description = described
            .map(Arc::new)
            .map_err(|error| Error::new(ErrorCode::ComponentRefused, error.to_string()))?;
        let trying = ids.into_iter().map(|id| {
            let (component, description) = (Arc::clone(&component), Arc::clone(&description));
            async move { self.rehearse_one(component, description, id).await }
        });
        let mut all = Rehearsed::default();
        let mut results = stream::iter(trying).buffer_unordered(READ_AT_ONCE);
        while let Some(one) = results.next().await {
            all.add(one);
        }
        Ok(all)
    }

    async fn rehearse_one(
        &self,
        component: Arc<dyn Component>,
        description: Arc<Description>,
        id: ObjectId,
    ) -> Rehearsed {
        let record = match self.record_of(&id).await {
            // An object that is deleted or gone has no state to read.
            Ok(None) => return Rehearsed::default(),
            Ok(Some(record)) => record,
            Err(why) => return failed(&id, why, 0),
        };
        let Some(state) = &record.state else { return Rehearsed::default() };
        let began = clock::now();
        let before = state.bytes.len() as u64;
        let payer = self.catalog.background_payer(&id);
        let key = id.clone();
        let reading = tokio::time::timeout(TIMEOUT, async {
            // A node without memory says nothing about the component.
            self.memory.not_scarce().await;
            let reading = async move { read(&*component, &description, &id, &record).await };
            let read = self.lane.admit(payer, reading).await;
            read.unwrap_or_else(|| Err("the host failed while the component ran".to_owned()))
        });
        let read = reading.await.unwrap_or_else(|_| Err("it took too long".to_owned()));
        let micros = u64::try_from(clock::now().since(began).as_micros()).unwrap_or(u64::MAX);
        let one = match read {
            Err(why) => failed(&key, why, before),
            Ok(after) => Rehearsed {
                tried: 1,
                bytes_before: before,
                bytes_after: after,
                largest_after: after,
                ..Rehearsed::default()
            },
        };
        Rehearsed { micros, micros_max: micros, ..one }
    }

    async fn record_of(&self, id: &ObjectId) -> Result<Option<Record>, String> {
        let blob = self.store.get(&id.blob_key()).await.map_err(|error| error.to_string())?;
        let decoded = blob.map(|blob| codec::decode(id, &blob.bytes)).transpose();
        decoded.map_err(|error| format!("its record cannot be used: {error}"))
    }
}

fn failed(id: &ObjectId, why: String, bytes: u64) -> Rehearsed {
    let failures = Failures { count: 1, examples: vec![id.key().to_owned()] };
    Rehearsed {
        tried: 1,
        failed: 1,
        causes: BTreeMap::from([(why, failures)]),
        bytes_before: bytes,
        bytes_after: bytes,
        ..Rehearsed::default()
    }
}

/// Reads a state with the component and runs its queries. Returns the size of the state as the component writes
/// it.
async fn read(
    component: &dyn Component,
    description: &Description,
    id: &ObjectId,
    record: &Record,
) -> Result<u64, String> {
    let mut instance = component.instantiate().await.map_err(|fault| shown(&fault))?;
    let state = record
        .state
        .as_ref()
        .map(|state| Snapshot { bytes: &state.bytes, schema_version: state.schema_version });
    instance.restore(id, state).await.map_err(|error| match error {
        RestoreError::Fault(fault) => format!("reading its state: {}", shown(&fault)),
        error => error.to_string(),
    })?;
    for name in queries(description) {
        let call = GuestCall::new(name, HandlerKind::Query, b"null", record.version);
        // A rejection by the object is a valid result.
        let answered = instance.handle(call).await;
        answered.map_err(|fault| format!("the query {name}: {}", shown(&fault))).map(drop)?;
    }
    let written = instance.snapshot().await;
    let written = written.map_err(|fault| format!("writing its state: {}", shown(&fault)))?;
    Ok(written.len() as u64)
}

/// Returns the queries that can be called without an argument.
fn queries(description: &Description) -> impl Iterator<Item = &str> {
    let takes_none =
        |schema: &serde_json::Value| schema.as_bool() == Some(true) || schema["type"] == "null";
    description
        .handlers
        .iter()
        .filter(move |handler| handler.kind == HandlerKind::Query && takes_none(&handler.argument))
        .map(|handler| handler.name.as_str())
}

/// Formats a fault without the message of the code, which may contain paths of the machine that compiled it.
fn shown(fault: &Fault) -> String {
    match fault {
        Fault::Trapped(_) => "its code trapped".to_owned(),
        fault => fault.to_string(),
    }
}
