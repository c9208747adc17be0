//! Rehearsals: before a deployment, a component reads the states of all or some objects of its type.
//!
//! The node that receives the request lists the objects and distributes them over all nodes; each node reads its
//! share. Nothing is written except the component, which is removed at the end. The receiving node keeps the
//! progress of the last rehearsal of each type.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use highlander_core::caller::Caller;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{ObjectId, TypeName};
use parking_lot::Mutex;
use rand::RngExt as _;

use crate::router::Router;
use crate::wire::rehearsals::{Rehearsal, Rehearsed, Sample, Staged};

/// Number of objects in one batch for a node.
const BATCH_LEN: usize = 100;
/// Number of concurrent batches.
const BATCH_COUNT: usize = 4;

/// Last rehearsal of each type that this node was asked to run.
#[derive(Debug, Default)]
pub struct Rehearsals {
    last: Mutex<HashMap<TypeName, Rehearsal>>,
}

impl Rehearsals {
    /// Returns the last rehearsal of a type, whether or not it has ended.
    #[must_use]
    pub fn last(&self, type_name: &TypeName) -> Option<Rehearsal> {
        self.last.lock().get(type_name).cloned()
    }

    /// Runs a rehearsal from start to end.
    ///
    /// # Errors
    /// [`ErrorCode::ComponentRefused`]; [`ErrorCode::Forbidden`] if `by` may not deploy the type; other codes if the
    /// store or the engine fails. Objects that fail are not an error.
    pub async fn run(
        &self,
        router: &Arc<Router>,
        wasm: Bytes,
        sample: Sample,
        by: &Caller,
    ) -> Result<Rehearsal, Error> {
        let (type_name, staged) = self.begin(router, wasm, by).await?;
        self.go_on(router, type_name, staged, sample).await
    }

    /// Stores the component and registers its rehearsal, so that its progress can be queried.
    ///
    /// # Errors
    /// [`ErrorCode::ComponentRefused`]; [`ErrorCode::Forbidden`] if `by` may not deploy the type; other codes if the
    /// store or the engine fails.
    ///
    /// # Cancel safety
    /// The component may or may not have been stored. If it was, it is removed a day later.
    pub async fn begin(
        &self,
        router: &Router,
        wasm: Bytes,
        by: &Caller,
    ) -> Result<(TypeName, Staged), Error> {
        let (type_name, staged) = router.node().catalog().stage(wasm, by).await?;
        let rehearsal = Rehearsal {
            type_name: type_name.clone(),
            digest: staged.digest,
            total: None,
            is_done: false,
            stopped: None,
            rehearsed: Rehearsed::default(),
        };
        self.last.lock().insert(type_name.clone(), rehearsal);
        Ok((type_name, staged))
    }

    /// Runs a rehearsal that [`begin`](Self::begin) has registered.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn go_on(
        &self,
        router: &Arc<Router>,
        type_name: TypeName,
        staged: Staged,
        sample: Sample,
    ) -> Result<Rehearsal, Error> {
        let ended = self.spread(router, &type_name, &staged, sample).await;
        router.node().catalog().unstage(&staged).await;
        self.with(&type_name, |rehearsal| {
            rehearsal.is_done = true;
            rehearsal.stopped = ended.as_ref().err().map(ToString::to_string);
        });
        ended?;
        self.last(&type_name).ok_or_else(|| {
            Error::new(ErrorCode::Internal, "the result of the rehearsal is missing")
        })
    }

    async fn spread(
        &self,
        router: &Arc<Router>,
        type_name: &TypeName,
        staged: &Staged,
        sample: Sample,
    ) -> Result<(), Error> {
        let ids = chosen(router, type_name, sample).await?;
        self.with(type_name, |rehearsal| rehearsal.total = Some(ids.len()));
        let batches: Vec<_> = ids.chunks(BATCH_LEN).map(<[ObjectId]>::to_vec).collect();
        let batches = batches
            .into_iter()
            .enumerate()
            .map(|(turn, batch)| router.rehearse(turn, type_name, staged, batch));
        let mut results = stream::iter(batches).buffer_unordered(BATCH_COUNT);
        while let Some(batch) = results.next().await {
            let batch = batch?;
            self.with(type_name, |rehearsal| rehearsal.rehearsed.add(batch));
        }
        Ok(())
    }

    fn with(&self, type_name: &TypeName, change: impl FnOnce(&mut Rehearsal)) {
        if let Some(rehearsal) = self.last.lock().get_mut(type_name) {
            change(rehearsal);
        }
    }
}

/// Returns the objects to try. In a random sample, every object has the same chance.
async fn chosen(
    router: &Router,
    type_name: &TypeName,
    sample: Sample,
) -> Result<Vec<ObjectId>, Error> {
    let mut chosen = Vec::new();
    let (mut after, mut seen) = (None, 0);
    loop {
        let (ids, next) = router.node().record_ids(type_name, after).await?;
        for id in ids {
            seen += 1;
            match sample {
                Sample::Some(count) if chosen.len() >= count => {
                    let place = rand::rng().random_range(0..seen);
                    if let Some(slot) = chosen.get_mut(place) {
                        *slot = id;
                    }
                }
                _ => chosen.push(id),
            }
        }
        if next.is_none() {
            return Ok(chosen);
        }
        after = next;
    }
}

/// Rejects a deployment whose rehearsal failed.
///
/// # Errors
/// [`ErrorCode::RehearsalFailed`] with the causes.
pub fn passed(rehearsal: &Rehearsal) -> Result<(), Error> {
    let Rehearsed { tried, failed, causes, .. } = &rehearsal.rehearsed;
    if *failed == 0 {
        return Ok(());
    }
    let causes = causes.iter().map(|(cause, failures)| {
        format!("{} times, for example {}: {cause}", failures.count, failures.examples.join(", "))
    });
    let name = &rehearsal.type_name;
    let causes = causes.collect::<Vec<_>>().join("; ");
    let text = format!("{failed} of {tried} objects of {name} failed the rehearsal: {causes}");
    Err(Error::new(ErrorCode::RehearsalFailed, text)
        .with_hint("correct the component, or deploy it anyway with --force"))
}
