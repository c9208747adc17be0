//! I/O operations of an activation. One is in progress at a time, and each ends with exactly one event.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use highlander_core::activation::Reason;
use highlander_core::activation::effects::wakeup_index::entry_name;
use highlander_core::activation::protocol::{Input, LoadFailure, Loaded, ReloadOutcome};
use highlander_core::clock::BootTime;
use highlander_core::id::{CodeId, ObjectId};
use highlander_core::registry;
use highlander_core::store::record::effects::WakeupEntry;
use highlander_core::store::record::{Record, codec};
use highlander_core::store::{self, Condition, ETag, PutOutcome};
use highlander_system::clock;

use super::Driver;
use crate::activation::backoff::jittered;
use crate::activation::context::SessionContext;
use crate::activation::slot::ReplySender;
use crate::catalog::{Choice, Revision};

/// Record and its ETag, or `None` if there is no record.
type Found = Option<(Record, ETag)>;

/// Result of an I/O operation.
pub(super) struct IoFinished {
    pub(super) event: Input<ReplySender>,
    /// Code of the activation, after a load.
    pub(super) revision: Option<Arc<Revision>>,
}

impl From<Input<ReplySender>> for IoFinished {
    fn from(event: Input<ReplySender>) -> Self {
        Self { event, revision: None }
    }
}

/// Write in progress, exactly as each attempt sends it.
#[derive(Clone)]
pub(super) struct Sent {
    name: Arc<str>,
    bytes: Bytes,
    condition: Condition,
    /// Wake-up index entry that must exist before the write.
    entry: Option<Arc<str>>,
    since: BootTime,
}

type Pending = BoxFuture<'static, IoFinished>;

impl Driver {
    pub(super) fn claim(&self) -> Pending {
        let (id, ctx) = (self.slot.id().clone(), Arc::clone(&self.ctx));
        Box::pin(async move {
            let _pass = ctx.activation_limiter.pass().await;
            Input::Claimed(ctx.registry.claim(&id).await).into()
        })
    }

    pub(super) fn load(&self) -> Pending {
        let (id, ctx) = (self.slot.id().clone(), Arc::clone(&self.ctx));
        let since = self.activating_since;
        Box::pin(async move {
            match load(&id, &ctx).await {
                Ok((record, choice)) => {
                    let passed = clock::now().since(since);
                    ctx.metrics.activation_seconds.observe(passed.as_secs_f64());
                    loaded(record, choice)
                }
                Err(failure) => Input::Loaded(Err(failure)).into(),
            }
        })
    }

    pub(super) fn write(
        &mut self,
        record: &Record,
        condition: Condition,
        entry: Option<WakeupEntry>,
    ) -> Pending {
        let sent = Sent {
            entry: entry.map(|wake| entry_name(&record.id, &wake).into()),
            name: record.id.blob_key().into(),
            bytes: codec::encode(record),
            condition,
            since: clock::now(),
        };
        self.sent = Some(sent.clone());
        self.send(sent, Duration::ZERO)
    }

    pub(super) fn resend(&self, pause: Duration) -> Pending {
        let Some(sent) = self.sent.clone() else {
            return Box::pin(std::future::ready(
                Input::WriteFinished(PutOutcome::PreconditionFailed).into(),
            ));
        };
        self.ctx.metrics.commit_retries.inc();
        self.send(sent, jittered(pause))
    }

    fn send(&self, sent: Sent, pause: Duration) -> Pending {
        let (id, ctx) = (self.slot.id().clone(), Arc::clone(&self.ctx));
        Box::pin(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let put = put(&ctx, sent).await;
            if let PutOutcome::Unknown(why)
            | PutOutcome::Unavailable(why)
            | PutOutcome::Rejected(why) = &put
            {
                tracing::warn!(object = %id, "a write was not confirmed: {why}");
            }
            Input::WriteFinished(put).into()
        })
    }

    /// Removes an index entry that no record refers to any more. If removal fails, a later scan of the index finds
    /// the entry.
    pub(super) fn forget(&self, wake: &WakeupEntry) {
        let (ctx, name) = (Arc::clone(&self.ctx), entry_name(self.slot.id(), wake));
        tokio::spawn(async move {
            if let Err(error) = ctx.store.delete(&name).await {
                tracing::debug!(name, "a wake-up index entry was not removed: {error}");
            }
        });
    }

    pub(super) fn reread(&self, pause: Duration) -> Pending {
        let reading = self.read_again(pause);
        Box::pin(async move { Input::Reread(reading.await).into() })
    }

    pub(super) fn prove(&self, pause: Duration) -> Pending {
        let reading = self.read_again(pause);
        Box::pin(async move { Input::RecordVerified(reading.await).into() })
    }

    fn read_again(&self, pause: Duration) -> impl Future<Output = ReloadOutcome> + use<> {
        let (id, ctx) = (self.slot.id().clone(), Arc::clone(&self.ctx));
        async move {
            if !pause.is_zero() {
                tokio::time::sleep(jittered(pause)).await;
            }
            match read(&id, &ctx).await {
                Ok(found) => ReloadOutcome::Found(found),
                Err(LoadFailure::Record(why)) => ReloadOutcome::Damaged(why),
                Err(LoadFailure::Store(error)) => ReloadOutcome::Failed(error),
                Err(LoadFailure::ErrorCode(error)) => {
                    ReloadOutcome::Failed(store::Error::Unavailable(error.to_string()))
                }
            }
        }
    }

    pub(super) fn release(&self) -> Pending {
        let (id, ctx) = (self.slot.id().clone(), Arc::clone(&self.ctx));
        Box::pin(async move {
            match ctx.registry.release(&id).await {
                Ok(()) | Err(registry::Error::SessionOver) => {}
                Err(error) => tracing::warn!(
                    object = %id, "the claim was not released and ends with the session: {error}"
                ),
            }
            Input::Released.into()
        })
    }

    pub(super) fn note_commit(&mut self, answers: usize) {
        let metrics = &self.ctx.metrics;
        metrics.commits.inc();
        metrics.commit_answers.observe(answers as f64);
        if let Some(sent) = self.sent.take() {
            let passed = clock::now().since(sent.since);
            metrics.commit_seconds.observe(passed.as_secs_f64());
        }
    }

    pub(super) fn note_held_back(&self, revision: u32, why: String) {
        let id = self.slot.id();
        tracing::warn!(object = %id, revision, "the object stays on its revision: {why}");
        self.ctx.catalog.revision_pinned(id, revision, why);
    }

    pub(super) fn note_quarantine(&self, pause: Duration) {
        tracing::warn!(object = %self.slot.id(), ?pause, "the object is quarantined: its code failed repeatedly");
        self.ctx.metrics.quarantines.inc();
    }

    pub(super) fn note_end(&mut self, reason: Reason) {
        self.revision = None;
        self.sent = None;
        self.slot.lock().activations_ended += 1;
        self.ctx.hub.ended(self.slot.id());
        self.ctx.metrics.deactivations.with_label_values(&[reason.as_str()]).inc();
        tracing::debug!(object = %self.slot.id(), reason = reason.as_str(), "deactivated");
    }
}

/// Writes the record, after the wake-up index entry that must exist before.
async fn put(ctx: &SessionContext, sent: Sent) -> PutOutcome {
    if let Some(entry) = sent.entry
        && let Some(failed) = enter(ctx, &entry).await
    {
        return failed;
    }
    ctx.store.put(&sent.name, sent.bytes, sent.condition).await
}

/// Writes a wake-up index entry. Returns `None` once the entry exists, otherwise the failed outcome.
async fn enter(ctx: &SessionContext, name: &str) -> Option<PutOutcome> {
    let (content, condition) = (Bytes::from_static(b"{}"), Condition::Absent);
    match ctx.store.put(name, content, condition).await {
        // The entry exists: an earlier attempt of this same write created it.
        PutOutcome::Applied(_) | PutOutcome::PreconditionFailed => None,
        failed
        @ (PutOutcome::Unknown(_) | PutOutcome::Unavailable(_) | PutOutcome::Rejected(_)) => {
            Some(failed)
        }
    }
}

async fn load(id: &ObjectId, ctx: &SessionContext) -> Result<(Found, Choice), LoadFailure> {
    let found = read(id, ctx).await?;
    let written_with = found.as_ref().map_or(0, |(record, _)| record.revision);
    let has_state = found.as_ref().is_some_and(|(record, _)| record.state.is_some());
    let choice = ctx.catalog.resolve(id, written_with, has_state).await;
    let choice = choice.map_err(LoadFailure::ErrorCode)?;
    Ok((found, choice))
}

fn loaded(record: Found, choice: Choice) -> IoFinished {
    let wanted = choice.wanted.id();
    let code = match &record {
        Some((record, _)) => CodeId { revision: record.revision, component: record.component },
        None => choice.fallback.unwrap_or_else(|| wanted.clone()),
    };
    let event = Input::Loaded(Ok(Loaded { record, code, wanted }));
    IoFinished { event, revision: Some(choice.wanted) }
}

async fn read(id: &ObjectId, ctx: &SessionContext) -> Result<Found, LoadFailure> {
    let blob = match ctx.store.get(&id.blob_key()).await {
        Ok(Some(blob)) => blob,
        Ok(None) => return Ok(None),
        Err(store::Error::Damaged(why)) => {
            ctx.metrics.damaged_records.inc();
            return Err(LoadFailure::Record(why));
        }
        Err(error) => return Err(LoadFailure::Store(error)),
    };
    match codec::decode(id, &blob.bytes) {
        Ok(record) => Ok(Some((record, blob.etag))),
        Err(error) => {
            ctx.metrics.damaged_records.inc();
            tracing::error!(object = %id, "the record was rejected and left unchanged: {error}");
            Err(LoadFailure::Record(error.to_string()))
        }
    }
}
