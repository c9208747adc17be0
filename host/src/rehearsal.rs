//! Rehearsals: a component reads the states of a type's objects, all or some, before anything is deployed.
//!
//! The node that is asked lists the objects and spreads them over all nodes; each reads its share for itself. Nothing
//! is written but the component, which is removed at the end. Progress is kept by the node that was asked, for the last
//! rehearsal of each type.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::catalog::staged::Staged;
use crate::error::{Code, Error};
use crate::id::{Digest, ObjectId, TypeName};
use crate::node::rehearsal::Rehearsed;
use crate::router::Router;

/// Objects that one node is given at once.
const BATCH_LEN: usize = 100;
/// Batches under way.
const BATCH_COUNT: usize = 4;

/// How many objects are to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Every one.
    All,
    /// So many, chosen at random.
    Some(usize),
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Some(count) => write!(f, "{count}"),
        }
    }
}

impl std::str::FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            text => text
                .parse()
                .ok()
                .filter(|count| *count > 0)
                .map(Self::Some)
                .ok_or_else(|| format!("{text:?} is neither a number from 1 nor \"all\"")),
        }
    }
}

/// How far a rehearsal is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// Digest of the component.
    pub digest: Digest,
    /// How many objects are to be tried; nothing while they are being listed.
    pub total: Option<usize>,
    /// Whether it has ended.
    pub is_done: bool,
    /// Why it ended early.
    pub stopped: Option<String>,
    /// What it came to so far.
    pub rehearsed: Rehearsed,
}

/// The last rehearsal of each type that this node was asked for.
#[derive(Debug, Default)]
pub struct Rehearsals {
    last: Mutex<HashMap<TypeName, Rehearsal>>,
}

impl Rehearsals {
    /// The last rehearsal of a type, on its way or done.
    #[must_use]
    pub fn last(&self, type_name: &TypeName) -> Option<Rehearsal> {
        self.lock().get(type_name).cloned()
    }

    /// Rehearses a component to the end.
    ///
    /// # Errors
    /// [`Code::ComponentRefused`]; [`Code::Forbidden`]; the others where store or engine fail. Objects that fail are no
    /// error.
    ///
    /// # Cancel safety
    /// Nothing is changed.
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

    /// Takes a component in, so that how far its rehearsal is can be asked for.
    ///
    /// # Errors
    /// [`Code::ComponentRefused`]; [`Code::Forbidden`] where `by` may not deploy its type; the others where store or
    /// engine fail.
    ///
    /// # Cancel safety
    /// The component may or may not be stored; if so, it is removed a day later.
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
        self.lock().insert(type_name.clone(), rehearsal);
        Ok((type_name, staged))
    }

    /// Rehearses what was begun.
    ///
    /// # Errors
    /// Where the store fails.
    ///
    /// # Cancel safety
    /// Nothing is changed.
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
        self.last(&type_name).ok_or_else(|| Error::new(Code::Internal, "the rehearsal is gone"))
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
        if let Some(rehearsal) = self.lock().get_mut(type_name) {
            change(rehearsal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TypeName, Rehearsal>> {
        // Each change is complete or was not begun.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The objects to be tried: of some, each is as likely as any other.
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

/// Refuses to deploy what failed its rehearsal.
///
/// # Errors
/// [`Code::RehearsalFailed`] with the causes.
pub fn passed(rehearsal: &Rehearsal) -> Result<(), Error> {
    let Rehearsed { tried, failed, causes, .. } = &rehearsal.rehearsed;
    if *failed == 0 {
        return Ok(());
    }
    let causes = causes.iter().map(|(cause, failures)| {
        format!("{} times, like {}: {cause}", failures.count, failures.examples.join(", "))
    });
    let name = &rehearsal.type_name;
    let causes = causes.collect::<Vec<_>>().join("; ");
    let text = format!("{failed} of {tried} objects of {name} failed the rehearsal: {causes}");
    Err(Error::new(Code::RehearsalFailed, text)
        .with_hint("mend the component, or deploy it with --force if that is meant"))
}
