//! Outbound calls of an object's handlers, and delivery of its outbox messages.
//!
//! A call leaves only after the state that its handler has read is committed, and a message only after the commit
//! that contains it. Both leave only if the revision that runs the object may call the type: this node checks that,
//! and the node of the called object relies on it, as it relies on the name of the caller.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::activation::idempotency::fingerprint;
use highlander_core::activation::protocol::{Delivered, Delivery, Input};
use highlander_core::activation::{
    Answer, Call, Consistency, IdempotencyKey, Operation, Precondition,
};
use highlander_core::call_context::chain::{self, Chain, ChainAge};
use highlander_core::call_context::{Origin, Rank};
use highlander_core::caller::Caller;
use highlander_core::caller::call_policy::CallPolicy;
use highlander_core::clock::BootTime;
use highlander_core::engine::{OutboundCall, OutboundCalls, OutboundError};
use highlander_core::error::{Effect, Error, ErrorCode, Rejection};
use highlander_core::id::{Hex, ObjectId};
use highlander_core::limits::DELIVERY_TIMEOUT;
use highlander_system::clock::{self, wall_ms};
use highlander_system::guest_thread;
use sha2::Digest as _;
use tokio::sync::oneshot;

use crate::activation::context::SessionContext;
use crate::activation::slot::{NumberedRun, ReplySender, Slot};

/// Upper bound on the part of the caller's time that an outbound call leaves to the handler, so that it can still
/// answer.
const RESERVE_MAX: Duration = Duration::from_millis(200);
/// Limit on the number of objects followed from one to the next. A cycle across several chains can be longer than one
/// chain.
const FOLLOW_LEN_MAX: usize = 64;

/// Outbound port of one running call.
#[derive(Debug)]
pub(super) struct OutboundHandle {
    slot: Arc<Slot>,
    ctx: Arc<SessionContext>,
    /// Number of the run that makes the calls.
    run: u64,
    origin: Origin,
    /// Limit of the revision that runs the call.
    call_policy: Arc<CallPolicy>,
    key: Option<Arc<str>>,
    deadline: BootTime,
    /// Number of calls made. Together with the key it identifies a call, so a retry of the whole call repeats the
    /// same calls.
    count: AtomicU64,
    /// Age of the chain that starts here, if one does. All calls of this chain have the same age.
    age: OnceLock<ChainAge>,
}

impl OutboundHandle {
    pub(super) fn of(
        slot: &Arc<Slot>,
        ctx: &Arc<SessionContext>,
        numbered: &NumberedRun,
        call_policy: &Arc<CallPolicy>,
    ) -> Arc<dyn OutboundCalls> {
        let NumberedRun { number, run } = numbered;
        Arc::new(Self {
            slot: Arc::clone(slot),
            ctx: Arc::clone(ctx),
            run: *number,
            origin: run.origin.clone(),
            call_policy: Arc::clone(call_policy),
            key: run.key.clone(),
            deadline: run.deadline,
            count: AtomicU64::new(0),
            age: OnceLock::new(),
        })
    }

    /// Returns the chain of objects that wait for the objects called here.
    fn chain(&self) -> Chain {
        let me = self.slot.id().clone();
        match &self.origin.chain {
            Some(chain) => chain.with(me),
            None => {
                let now = || ChainAge { began_ms: wall_ms(), nonce: rand::random() };
                Chain::begin(me, *self.age.get_or_init(now))
            }
        }
    }

    /// Sends an event to the object. Its task exists, because it runs the call.
    fn send(&self, event: Input<ReplySender>) {
        self.slot.step_in_run(self.run, event, self.ctx.now(self.slot.id()));
    }

    /// Waits until the state that the call has read is committed and may be acted upon.
    async fn depart(&self, age: ChainAge, to: &ObjectId) -> Result<(), OutboundError> {
        let (leave, left) = oneshot::channel();
        self.send(Input::OutboundStarted(age, to.clone(), leave));
        match left.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(OutboundError::Unavailable(error.message)),
            Err(_) => Err(OutboundError::Unavailable("the calling handler has ended".to_owned())),
        }
    }

    fn call_of(&self, made: OutboundCall, chain: Chain) -> Result<(ObjectId, Call), OutboundError> {
        let now = clock::now();
        let left = self.deadline.since(now);
        let left = left.saturating_sub((left / 8).min(RESERVE_MAX));
        let limit = made.timeout.map_or(left, |timeout| timeout.min(left));
        if limit.is_zero() {
            let text = format!("{} was not called: the call's deadline has passed", made.to);
            return Err(OutboundError::TimedOut(text));
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let key = match made.key {
            Some(key) => Some(Arc::from(key)),
            None => self.key.as_ref().map(|key| self.derived(key, count, &made.to)),
        };
        let operation = Operation::Handle { handler: made.handler, argument: made.argument };
        let caller = Caller::Object(self.slot.id().clone());
        let key = key.map(|key| {
            let fingerprint = fingerprint(&operation, &caller);
            IdempotencyKey { key, fingerprint }
        });
        let chain = Some(Arc::new(chain));
        let Origin { trace, rank, .. } = self.origin;
        let origin = Origin { chain, message: None, trace, rank };
        let call = Call {
            operation,
            caller,
            origin,
            precondition: Precondition::None,
            key,
            consistency: Consistency::Lease,
            deadline: now + limit,
        };
        Ok((made.to, call))
    }

    /// Derives the idempotency key of the `count`-th outbound call from the key of the enclosing call: it is the same
    /// in each retry.
    fn derived(&self, key: &str, count: u64, to: &ObjectId) -> Arc<str> {
        let mut hash = sha2::Sha256::new();
        for part in [key, self.slot.id().as_str(), to.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(count.to_be_bytes());
        format!("derived-{}", Hex(&hash.finalize())).into()
    }
}

#[async_trait]
impl OutboundCalls for OutboundHandle {
    async fn call(&self, call: OutboundCall) -> Result<Bytes, OutboundError> {
        self.call_policy.check(call.to.type_name()).map_err(not_permitted)?;
        let chain = self.chain();
        chain.check(&call.to).map_err(|error| match error {
            chain::Error::Cycle(_) => OutboundError::Cycle(error.to_string()),
            chain::Error::TooDeep(_) => OutboundError::TooDeep(error.to_string()),
        })?;
        let to = &call.to;
        let unavailable = |why| OutboundError::Unavailable(format!("{to} was not called: {why}"));
        let route = self.ctx.outbound.route();
        let route = route.ok_or_else(|| unavailable("this node cannot reach other objects"))?;
        let place = self.ctx.calls_out.try_acquire();
        let _place =
            place.map_err(|_| unavailable("too many calls of this node wait for other objects"))?;
        self.depart(chain.age(), to).await?;
        let (to, call) = self.call_of(call, chain)?;
        self.ctx.metrics.calls_out.inc();
        let answer = if guest_thread::is_current() {
            // Work of other objects must not run at the priority of guests, nor in the slice of this one.
            let called = tokio::spawn(async move { route.call(&to, call).await }).await;
            called.map_err(|error| OutboundError::Unknown(error.to_string()))?
        } else {
            route.call(&to, call).await
        };
        self.send(Input::OutboundFinished);
        answer.map(|done| done.reply.into_json()).map_err(|error| told(*error))
    }
}

/// Checks that a revision of the object's type permits messages to `to`.
fn check_policy(
    slot: &Slot,
    ctx: &SessionContext,
    revision: u32,
    to: &ObjectId,
) -> Result<(), Error> {
    let type_name = slot.id().type_name();
    if to.type_name() == type_name {
        return Ok(());
    }
    let policy = ctx.catalog.call_policy(type_name, revision).ok_or_else(|| {
        let text = format!("this node has no revision {revision} of {type_name}");
        Error::new(ErrorCode::Internal, text)
    })?;
    policy.check(to.type_name())
}

/// Returns the error for a call that the policy does not permit. The host rejects it in place of the called object.
fn not_permitted(error: Error) -> OutboundError {
    let hint = error.hint.unwrap_or_default();
    OutboundError::Rejected(Rejection {
        code: error.code.as_str().to_owned(),
        message: format!("{}; {hint}", error.message),
        detail: None,
    })
}

/// Maps the error of a failed call to the error that the handler receives.
fn told(error: Error) -> OutboundError {
    let text = error.message;
    match (error.code, error.rejection) {
        (ErrorCode::ObjectRejected, Some(refusal)) => OutboundError::Rejected(*refusal),
        (
            ErrorCode::MalformedRequest
            | ErrorCode::InvalidArgument
            | ErrorCode::IdempotencyKeyReused,
            _,
        ) => OutboundError::InvalidArgument(text),
        (ErrorCode::UnknownType | ErrorCode::UnknownHandler | ErrorCode::ObjectNotFound, _) => {
            OutboundError::NotFound(text)
        }
        (ErrorCode::CallConflict, _) => OutboundError::Conflict(text),
        (ErrorCode::DeadlineExceeded, _) => OutboundError::TimedOut(text),
        (code, _) if code.effect() != Effect::None => OutboundError::Unknown(text),
        (code, _) if is_failure(code) => OutboundError::Failed(text),
        _ => OutboundError::Unavailable(text),
    }
}

/// Whether the object's own code caused the error.
fn is_failure(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ObjectTrapped
            | ErrorCode::CpuExceeded
            | ErrorCode::MemoryExceeded
            | ErrorCode::StackExceeded
            | ErrorCode::HostCallsExceeded
            | ErrorCode::ContractBroken
            | ErrorCode::StateTooLarge
            | ErrorCode::StateUnreadable
    )
}

/// Follows the wait-for edges from `callee` across nodes (edge chasing), and returns the path for the machine. `None`
/// if this node cannot reach other objects.
pub(super) async fn follow(
    slot: &Slot,
    ctx: &SessionContext,
    departure: u32,
    callee: ObjectId,
) -> Option<Input<ReplySender>> {
    let mut path = vec![callee];
    let route = ctx.outbound.route()?;
    while path.len() < FOLLOW_LEN_MAX
        && let Some(last) = path.last()
        && let Some(next) = route.waits_for(last).await
        && next != *slot.id()
        && !path.contains(&next)
    {
        path.push(next);
    }
    Some(Input::WaitPathFound(departure, path))
}

/// Delivers a message to its receiver, and returns the outcome for the sender's machine.
pub(super) async fn deliver(
    slot: &Slot,
    ctx: &SessionContext,
    delivery: Delivery,
) -> Input<ReplySender> {
    let Delivery { number, message, .. } = delivery;
    // While it waited, the outbox may have changed, or the object may have moved to another node, which then delivers.
    let (is_own, revision) = {
        let machine = &slot.lock().machine;
        (machine.is_bringing(&message.to, number), machine.revision())
    };
    let Some(revision) = revision.filter(|_| is_own && ctx.now(slot.id()).has_lease()) else {
        return Input::Delivered(message.to, number, Delivered::NotYet);
    };
    // Another revision may have sent the message.
    let permitted = check_policy(slot, ctx, revision, &message.to);
    let call = Call {
        operation: Operation::Handle {
            handler: message.handler.as_ref().into(),
            argument: message.argument.clone(),
        },
        caller: Caller::Object(slot.id().clone()),
        origin: Origin { message: Some(number), rank: Rank::Background, ..Origin::default() },
        precondition: Precondition::None,
        key: None,
        consistency: Consistency::Lease,
        deadline: clock::now() + DELIVERY_TIMEOUT,
    };
    let delivered = match (permitted, ctx.outbound.route()) {
        (Err(error), _) => outcome(Err(Box::new(error))),
        (Ok(()), Some(route)) => outcome(route.call(&message.to, call).await),
        (Ok(()), None) => Delivered::NotYet,
    };
    let word = match delivered {
        Delivered::Done => "done",
        Delivered::Refused(_) => "refused",
        Delivered::NotYet => "not-yet",
    };
    ctx.metrics.deliveries.with_label_values(&[word]).inc();
    Input::Delivered(message.to, number, delivered)
}

fn outcome(answer: Answer) -> Delivered {
    let error = match answer {
        Ok(_) => return Delivered::Done,
        Err(error) => error,
    };
    let is_refused = is_failure(error.code)
        || matches!(
            error.code,
            ErrorCode::ObjectRejected
                | ErrorCode::MalformedRequest
                | ErrorCode::InvalidArgument
                | ErrorCode::UnknownType
                | ErrorCode::UnknownHandler
                | ErrorCode::OutboxFull
                | ErrorCode::Forbidden
                | ErrorCode::CallNotPermitted
        );
    if is_refused { Delivered::Refused(error.message) } else { Delivered::NotYet }
}
