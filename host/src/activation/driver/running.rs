//! A guest call in progress: in the object's task at first if it is expected to be short, else on a guest thread.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use highlander_core::activation::protocol::{Input, Probe, ProbeOutcome, RunOutcome};
use highlander_core::call_context::Rank;
use highlander_core::clock::BootTime;
use highlander_core::engine::Fault;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::ObjectId;
use highlander_core::schedule::place::{Cost, Place, Work, place};
use highlander_core::schedule::shares::Payer;
use highlander_system::clock::{self, CpuMeter};
use highlander_system::guest_thread;

use super::Finished;
use crate::activation::context::SessionContext;
use crate::activation::slot::Slot;
use crate::catalog::Revision;
use crate::lane::{LaneFull, LaneTask};

/// Guest call in progress.
pub(super) enum Running {
    /// In this task. It moves to the lane if it takes longer than one slice.
    Inline(InlineCall),
    /// On a guest thread, or before it begins there.
    Elsewhere(BoxFuture<'static, Finished>),
}

/// Call that runs in the object's task.
pub(super) struct InlineCall {
    call: BoxFuture<'static, Finished>,
    cost: WorkOf,
    deadline: BootTime,
    /// Processor time so far.
    used: Duration,
}

/// Work of a call, the revision whose handler does it, and the rank of the call.
#[derive(Clone)]
pub(super) struct WorkOf {
    pub(super) revision: Arc<Revision>,
    pub(super) work: Work,
    pub(super) rank: Rank,
}

impl WorkOf {
    fn payer(&self, slot: &Slot) -> Arc<Payer> {
        self.revision.share.payer(self.rank, slot.id().as_str())
    }

    fn cost(&self) -> Option<&Cost> {
        self.revision.costs.of(self.work)
    }

    fn learn(&self, used: Duration) {
        if let Some(cost) = self.cost() {
            cost.learn(used);
        }
    }
}

impl Running {
    /// Begins a call of a revision's handler, where its cost so far permits.
    pub(super) fn begin(
        ctx: &SessionContext,
        slot: &Arc<Slot>,
        call: BoxFuture<'static, Finished>,
        cost: WorkOf,
        deadline: BootTime,
    ) -> Self {
        let predicted = cost.cost().and_then(Cost::predicted);
        let credit = &cost.revision.share.inline_credit;
        match place(predicted, credit, &ctx.lane.inline_credit, clock::now()) {
            Place::Inline => {
                Self::Inline(InlineCall { call, cost, deadline, used: Duration::ZERO })
            }
            Place::Lane => {
                let payer = cost.payer(slot);
                let call = Metered { call, cost, used: Duration::ZERO };
                match ctx.lane.spawn(payer, call) {
                    Ok(task) => Self::Elsewhere(awaited(task, slot, deadline)),
                    Err(LaneFull) => Self::Elsewhere(Box::pin(async { refused() })),
                }
            }
        }
    }

    /// Begins the probe of a state with another revision, for an object type of this name.
    pub(super) fn begin_probe(
        ctx: &SessionContext,
        id: &ObjectId,
        probe: Probe,
        running: BoxFuture<'static, Finished>,
    ) -> Self {
        let task = ctx.lane.admit(ctx.catalog.background_payer(id), running);
        Self::Elsewhere(Box::pin(async move {
            let left = probe.deadline.since(clock::now());
            let failed = match tokio::time::timeout(left, task).await {
                Ok(Some(finished)) => return finished,
                Ok(None) => RunOutcome::NoCode(panicked()),
                Err(_) => RunOutcome::TimedOut,
            };
            let event = Input::Probed(probe.code, ProbeOutcome::Failed(failed));
            Finished { event, resident: None }
        }))
    }

    fn poll(
        &mut self,
        ctx: &SessionContext,
        slot: &Arc<Slot>,
        cx: &mut Context<'_>,
    ) -> Poll<Finished> {
        if let Self::Inline(inline) = self {
            let (polled, must_move) = inline.poll(ctx, cx);
            if polled.is_ready() || !must_move {
                return polled;
            }
            ctx.metrics.guests.overruns.inc();
            inline.cost.learn(inline.used);
            let nothing = Box::pin(std::future::pending());
            let call = std::mem::replace(&mut inline.call, nothing);
            let payer = inline.cost.payer(slot);
            let call = Metered { call, cost: inline.cost.clone(), used: inline.used };
            *self = Self::Elsewhere(awaited(ctx.lane.admit(payer, call), slot, inline.deadline));
        }
        match self {
            Self::Elsewhere(call) => call.as_mut().poll(cx),
            Self::Inline(_) => Poll::Pending,
        }
    }
}

/// Waits for the end of the running call; for ever if there is none.
pub(super) struct Ending<'a> {
    pub(super) running: &'a mut Option<Running>,
    pub(super) ctx: &'a SessionContext,
    pub(super) slot: &'a Arc<Slot>,
}

impl Future for Ending<'_> {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let Self { running, ctx, slot } = &mut *self;
        running.as_mut().map_or(Poll::Pending, |running| running.poll(ctx, slot, cx))
    }
}

impl InlineCall {
    /// Also returns whether the call must move to a guest thread.
    fn poll(&mut self, ctx: &SessionContext, cx: &mut Context<'_>) -> (Poll<Finished>, bool) {
        let meter = CpuMeter::begin();
        let (polled, must_move) = guest_thread::movable(|| self.call.as_mut().poll(cx));
        let (used, now) = meter.end();
        self.used += used;
        self.cost.revision.share.inline_credit.charge(used, now);
        ctx.lane.inline_credit.charge(used, now);
        ctx.metrics.guests.seconds_inline.inc_by(used.as_secs_f64());
        if polled.is_ready() {
            self.cost.learn(self.used);
        }
        (polled, must_move)
    }
}

/// Call in the lane, whose processor time is learned when it ends.
struct Metered {
    call: BoxFuture<'static, Finished>,
    cost: WorkOf,
    used: Duration,
}

impl Future for Metered {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let began = clock::thread_cpu();
        let polled = self.call.as_mut().poll(cx);
        self.used += clock::thread_cpu().saturating_sub(began);
        if polled.is_ready() {
            self.cost.learn(self.used);
        }
        polled
    }
}

/// Waits for a call in the lane until its deadline. Then it is dropped there, and can no longer reach its object.
fn awaited(
    task: LaneTask<Finished>,
    slot: &Arc<Slot>,
    deadline: BootTime,
) -> BoxFuture<'static, Finished> {
    let slot = Arc::clone(slot);
    Box::pin(async move {
        let left = deadline.since(clock::now());
        match tokio::time::timeout(left, task).await {
            Ok(Some(finished)) => finished,
            Ok(None) => ended(RunOutcome::NoCode(panicked())),
            Err(_) => {
                slot.next_run();
                ended(RunOutcome::TimedOut)
            }
        }
    })
}

fn ended(ran: RunOutcome) -> Finished {
    Finished { event: Input::Ran(ran), resident: None }
}

/// Returns the result of a call that the full lane rejects.
fn refused() -> Finished {
    let text = "too many calls wait for processor time".to_owned();
    ended(RunOutcome::Faulted(Fault::Exhausted(text)))
}

/// Returns the error of a call that ended with a panic of the host.
fn panicked() -> Error {
    Error::new(ErrorCode::Internal, "the host failed while it ran the call; its log has the reason")
}
