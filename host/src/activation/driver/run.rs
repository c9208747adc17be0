//! Runs one call in the object's instance, which is created or restored first if necessary.

use std::sync::Arc;

use bytes::Bytes;
use highlander_core::activation::protocol::{Input, Probe, ProbeOutcome, Run, RunOutcome};
use highlander_core::clock::BootTime;
use highlander_core::effects::Effects;
use highlander_core::engine::{
    Fault, GuestCall, Handled, HandlerError, HandlerKind, RestoreError, Snapshot,
};
use highlander_core::id::ObjectId;
use highlander_core::schedule::place::Work;
use highlander_core::store::record::State;
use highlander_system::clock;

use super::running::{Ending, Running, WorkOf};
use super::{Driver, Finished};
use crate::activation::context::SessionContext;
use crate::activation::instance_cache::{Admission, CachedInstance, NoMemory};
use crate::activation::outbound::OutboundHandle;
use crate::activation::slot::{NumberedRun, Slot};
use crate::catalog::Revision;

impl Driver {
    pub(super) fn begin_run(&mut self, run: Run) {
        let (id, slot) = (self.slot.id().clone(), Arc::clone(&self.slot));
        let resident = self.resident.take().or_else(|| self.ctx.instances.take(&id));
        let ctx = Arc::clone(&self.ctx);
        if self.revision.as_ref().is_none_or(|known| known.number != run.code.revision) {
            self.revision = ctx.catalog.ready(id.type_name(), run.code.revision);
        }
        let deadline = run.deadline;
        let numbered = slot.number(run);
        let Some(revision) = self.revision.clone() else {
            return self.begin_old_run(numbered, resident);
        };
        let work = work(&revision, resident.as_ref(), &numbered.run);
        let call = Box::pin(run_call(ctx, revision, slot, resident, numbered));
        let running = Running::begin(&self.ctx, &self.slot, call, work, deadline);
        self.running = Some(running);
    }

    /// Begins a call with code that is not ready: the old revision after the new one failed, which most objects never
    /// need.
    fn begin_old_run(&mut self, numbered: NumberedRun, resident: Option<CachedInstance>) {
        let (ctx, slot) = (Arc::clone(&self.ctx), Arc::clone(&self.slot));
        self.running = Some(Running::Elsewhere(Box::pin(async move {
            let run = &numbered.run;
            let deadline = run.deadline;
            let revision = match ctx.catalog.revision(slot.id().type_name(), &run.code).await {
                Ok(revision) => revision,
                Err(error) => {
                    return Finished { event: Input::Ran(RunOutcome::NoCode(error)), resident };
                }
            };
            let work = work(&revision, resident.as_ref(), run);
            let call = run_call(Arc::clone(&ctx), revision, Arc::clone(&slot), resident, numbered);
            let mut running = Some(Running::begin(&ctx, &slot, Box::pin(call), work, deadline));
            Ending { running: &mut running, ctx: &ctx, slot: &slot }.await
        })));
    }

    pub(super) fn begin_probe(&mut self, probe: Probe) {
        // The object's current instance is kept until the new one has been validated.
        self.keep_instance();
        let (id, ctx) = (self.slot.id().clone(), Arc::clone(&self.ctx));
        let tried = probe.clone();
        let running = Box::pin(async move {
            let probe = tried;
            let tried = run_probe(&ctx, &id, &probe).await;
            let is_kept = ctx.instances.contains(&id);
            let (probed, resident) = match tried {
                Ok(resident) => {
                    (ProbeOutcome::Reads { is_kept }, Some(resident).filter(|_| is_kept))
                }
                Err(ran) => (ProbeOutcome::Failed(ran), None),
            };
            Finished { event: Input::Probed(probe.code, probed), resident }
        });
        self.running = Some(Running::begin_probe(&self.ctx, self.slot.id(), probe, running));
    }
}

/// Returns the work of a call, as far as it is known before.
fn work(revision: &Arc<Revision>, resident: Option<&CachedInstance>, run: &Run) -> WorkOf {
    let is_ready =
        run.is_in_sync && resident.is_some_and(|resident| resident.component == revision.digest);
    let state_bytes = run.state.as_ref().map_or(0, |state| state.bytes.len());
    let work = Work {
        // A handler that does not exist has no record.
        handler: revision.description.handler_index(&run.handler).unwrap_or(usize::MAX),
        is_cold: !is_ready,
        bytes: state_bytes + run.argument.len(),
    };
    WorkOf { revision: Arc::clone(revision), work, rank: run.origin.rank }
}

/// Reads a state with another revision's code, in a new instance.
async fn run_probe(
    ctx: &SessionContext,
    id: &ObjectId,
    probe: &Probe,
) -> Result<CachedInstance, RunOutcome> {
    let trying = async {
        let found = ctx.catalog.revision(id.type_name(), &probe.code).await;
        let revision = found.map_err(RunOutcome::NoCode)?;
        let made = make(ctx, &revision, Admission::InTurn, probe.deadline).await;
        let mut resident = made.map_err(RunOutcome::Faulted)?;
        restore(&mut resident, id, probe.state.as_ref()).await?;
        Ok(resident)
    };
    let limit = probe.deadline.since(clock::now());
    let tried = tokio::time::timeout(limit, trying).await.unwrap_or(Err(RunOutcome::TimedOut));
    if let Err(ran) = &tried {
        note_fault(ctx, id, ran);
    }
    tried
}

async fn run_call(
    ctx: Arc<SessionContext>,
    revision: Arc<Revision>,
    slot: Arc<Slot>,
    resident: Option<CachedInstance>,
    mut numbered: NumberedRun,
) -> Finished {
    let run = &mut numbered.run;
    let id = slot.id();
    let Some(handler) = revision.description.handler(&run.handler) else {
        let rejection = HandlerError::UnknownHandler(revision.description.no_handler(&run.handler));
        return finished(RunOutcome::Rejected { rejection, may_have_changed: false }, resident);
    };
    if run.must_be_query && handler.kind != HandlerKind::Query {
        let rejection = HandlerError::NoQuery;
        return finished(RunOutcome::Rejected { rejection, may_have_changed: false }, resident);
    }
    if run.argument == "null" {
        run.argument = Bytes::from_static(handler.no_argument());
    }
    let time_left = run.deadline.since(clock::now());
    let attempt = attempt(&ctx, &revision, &slot, resident, &numbered, handler.kind);
    match tokio::time::timeout(time_left, attempt).await {
        Ok(Ok((ran, resident))) => finished(ran, Some(resident)),
        Ok(Err(ran)) => {
            note_fault(&ctx, id, &ran);
            if !ran.is_of_node() {
                ctx.catalog.faulted(id, revision.number);
            }
            finished(ran, None)
        }
        // The instance was dropped with the attempt: one that was interrupted during a call is never reused.
        Err(_) => finished(RunOutcome::TimedOut, None),
    }
}

fn finished(ran: RunOutcome, resident: Option<CachedInstance>) -> Finished {
    Finished { event: Input::Ran(ran), resident }
}

async fn restore(
    resident: &mut CachedInstance,
    id: &ObjectId,
    state: Option<&State>,
) -> Result<(), RunOutcome> {
    let state =
        state.map(|state| Snapshot { bytes: &state.bytes, schema_version: state.schema_version });
    resident.instance.restore(id, state).await.map_err(|error| match error {
        RestoreError::Fault(fault) if fault.is_of_node() => RunOutcome::Faulted(fault),
        error => RunOutcome::Unreadable(error),
    })
}

/// Runs the call. On an error, the instance has been dropped.
async fn attempt(
    ctx: &Arc<SessionContext>,
    revision: &Revision,
    slot: &Arc<Slot>,
    resident: Option<CachedInstance>,
    numbered: &NumberedRun,
    kind: HandlerKind,
) -> Result<(RunOutcome, CachedInstance), RunOutcome> {
    let run = &numbered.run;
    let current = resident.filter(|resident| resident.component == revision.digest);
    let must_restore = current.is_none() || !run.is_in_sync;
    let mut resident = match current {
        Some(resident) => resident,
        None => {
            let is_nested = run.origin.chain.is_some();
            let admission = if is_nested { Admission::AtOnce } else { Admission::InTurn };
            let made = make(ctx, revision, admission, run.deadline).await;
            made.map_err(RunOutcome::Faulted)?
        }
    };
    if must_restore {
        restore(&mut resident, slot.id(), run.state.as_ref()).await?;
    }
    let Run { handler, argument, version, caller, trigger, alarms, .. } = run;
    let policy = &revision.call_policy;
    let reaches_out = revision.component.reaches_out();
    let outbound = reaches_out.then(|| OutboundHandle::of(slot, ctx, numbered, policy));
    let call = GuestCall {
        handler,
        kind,
        argument,
        version: *version,
        caller,
        trigger,
        alarms: alarms.as_ref(),
        own: Some(&revision.description),
        call_policy: Some(policy),
        outbound: outbound.as_ref(),
    };
    let Handled { reply, effects } =
        match resident.instance.handle(call).await.map_err(RunOutcome::Faulted)? {
            Ok(handled) => handled,
            Err(rejection) => {
                let may_have_changed = kind == HandlerKind::Update;
                return Ok((RunOutcome::Rejected { rejection, may_have_changed }, resident));
            }
        };
    if kind == HandlerKind::Query {
        return Ok((RunOutcome::Queried { reply }, resident));
    }
    let bytes = resident.instance.snapshot().await.map_err(RunOutcome::Faulted)?;
    let state = State {
        content_type: Arc::clone(&revision.state_content_type),
        schema_version: revision.description.schema_version,
        bytes,
    };
    let effects = (effects != Effects::default()).then(|| Box::new(effects));
    Ok((RunOutcome::Updated { reply, state, effects }, resident))
}

/// Creates an instance, if the node has memory for it before the deadline.
async fn make(
    ctx: &SessionContext,
    revision: &Revision,
    admission: Admission,
    deadline: BootTime,
) -> Result<CachedInstance, Fault> {
    let place = ctx.instances.permit(admission, deadline).await;
    let place = place.map_err(|NoMemory(max)| Fault::NodeMemoryFull(max))?;
    let instance = revision.component.instantiate().await?;
    ctx.metrics.instances_made.inc();
    Ok(place.fill(instance, revision.digest))
}

fn note_fault(ctx: &SessionContext, id: &ObjectId, ran: &RunOutcome) {
    let (word, text) = match ran {
        RunOutcome::Faulted(fault) => (fault_word(fault), fault.to_string()),
        RunOutcome::Unreadable(error) => ("restore", error.to_string()),
        _ => return,
    };
    ctx.metrics.faults.with_label_values(&[word]).inc();
    tracing::warn!(object = %id, fault = word, "a call failed: {text}");
}

fn fault_word(fault: &Fault) -> &'static str {
    match fault {
        Fault::Trapped(_) => "trap",
        Fault::Cpu(_) => "cpu",
        Fault::Memory(_) => "memory",
        Fault::Stack => "stack",
        Fault::HostCalls => "host-calls",
        Fault::StateTooLarge { .. } => "state-size",
        Fault::Contract(_) => "contract",
        Fault::Exhausted(_) => "exhausted",
        Fault::NodeMemoryFull(_) => "node-memory",
    }
}
