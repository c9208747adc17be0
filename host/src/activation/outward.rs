//! The way from one object to others: the calls that its handlers make, and the messages that it has sent.
//!
//! A call leaves when what its handler has seen is committed, and a message after the commit that holds it. Whoever
//! knows on which node the other object is sits above and is reached by a trait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::Digest as _;
use tokio::sync::oneshot;

use super::answered::fingerprint;
use super::cell::Cell;
use super::offer::tell;
use super::protocol::{Delivered, Delivery, Event, Run};
use super::surroundings::Surroundings;
use super::task::jittered;
use super::{Answer, Call, Consistency, IdempotencyKey, Operation, Precondition};
use crate::caller::Caller;
use crate::clock::{BootTime, wall_ms};
use crate::engine::{Outward, OutwardCall, OutwardError};
use crate::error::{Code, Effect, Error};
use crate::id::{Hex, ObjectId};
use crate::limits::DELIVERY_TIMEOUT;
use crate::origin::Origin;
use crate::origin::chain::{self, Age, Chain};

/// What a handler has left of its caller's time after it has waited for another object: it can still answer itself.
const RESERVE_MAX: Duration = Duration::from_millis(50);
/// Objects that are followed from one to the next, at most: a circle of several chains can be longer than one.
const FOLLOW_LEN_MAX: usize = 64;

/// Brings calls of objects to other objects, wherever these are.
#[async_trait]
pub trait Route: std::fmt::Debug + Send + Sync + 'static {
    /// Brings one call to its object and waits for the answer.
    ///
    /// # Cancel safety
    /// A call that was begun runs to its end; only the answer is lost.
    async fn bring(&self, id: &ObjectId, call: Call) -> Answer;

    /// The object that the running call of `id` waits for, if there is one and that can be told.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    async fn waits_for(&self, id: &ObjectId) -> Option<ObjectId>;
}

/// The way to other objects, which is there as soon as somebody above has opened it.
#[derive(Debug, Default)]
pub struct Exit(OnceLock<Weak<dyn Route>>);

impl Exit {
    /// Opens the way. Once open it stays as it is.
    pub fn open(&self, route: Weak<dyn Route>) {
        let _ = self.0.set(route);
    }

    fn route(&self) -> Option<Arc<dyn Route>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

/// The way out for one call that runs.
#[derive(Debug)]
pub(super) struct Outgoing {
    cell: Arc<Cell>,
    around: Arc<Surroundings>,
    origin: Origin,
    key: Option<Arc<str>>,
    deadline: BootTime,
    /// How many calls were made: repetitions of the whole call make the same ones again.
    count: AtomicU64,
    /// The age of the chain that begins here, if one does: all its calls are of one age.
    age: OnceLock<Age>,
}

impl Outgoing {
    pub(super) fn of(cell: &Arc<Cell>, around: &Arc<Surroundings>, run: &Run) -> Arc<dyn Outward> {
        Arc::new(Self {
            cell: Arc::clone(cell),
            around: Arc::clone(around),
            origin: run.origin.clone(),
            key: run.key.clone(),
            deadline: run.deadline,
            count: AtomicU64::new(0),
            age: OnceLock::new(),
        })
    }

    /// The chain of objects that wait for what this one calls.
    fn chain(&self) -> Chain {
        let me = self.cell.id().clone();
        match &self.origin.chain {
            Some(chain) => chain.with(me),
            None => {
                let now = || Age { began_ms: wall_ms(), mark: rand::random() };
                Chain::begin(me, *self.age.get_or_init(now))
            }
        }
    }

    /// Waits until what the call has seen is committed, and may be acted upon.
    async fn depart(&self, age: Age, to: &ObjectId) -> Result<(), OutwardError> {
        let (leave, left) = oneshot::channel();
        tell(&self.cell, Event::Departing(age, to.clone(), leave), &self.around);
        match left.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(OutwardError::Unavailable(error.message)),
            Err(_) => Err(OutwardError::Unavailable("the call that makes it has ended".to_owned())),
        }
    }

    fn call_of(&self, made: OutwardCall, chain: Chain) -> Result<(ObjectId, Call), OutwardError> {
        let now = BootTime::now();
        let left = self.deadline.since(now);
        let left = left.saturating_sub((left / 8).min(RESERVE_MAX));
        let patience = made.timeout.map_or(left, |timeout| timeout.min(left));
        if patience.is_zero() {
            let text = format!("{} was not called: the time for it is over", made.to);
            return Err(OutwardError::TimedOut(text));
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let key = match made.key {
            Some(key) => Some(Arc::from(key)),
            None => self.key.as_ref().map(|key| self.derived(key, count, &made.to)),
        };
        let operation = Operation::Handle { handler: made.handler, argument: made.argument };
        let caller = Caller::Object(self.cell.id().clone());
        let key = key.map(|key| {
            let fingerprint = fingerprint(&operation, &caller);
            IdempotencyKey { key, fingerprint }
        });
        let chain = Some(Arc::new(chain));
        let origin = Origin { chain, message: None, trace: self.origin.trace };
        let call = Call {
            operation,
            caller,
            origin,
            precondition: Precondition::None,
            key,
            consistency: Consistency::Lease,
            deadline: now + patience,
        };
        Ok((made.to, call))
    }

    /// The mark of the call of this number within a call that has a mark itself: the same in each repetition.
    fn derived(&self, key: &str, count: u64, to: &ObjectId) -> Arc<str> {
        let mut hash = sha2::Sha256::new();
        for part in [key, self.cell.id().as_str(), to.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(count.to_be_bytes());
        format!("derived-{}", Hex(&hash.finalize())).into()
    }
}

#[async_trait]
impl Outward for Outgoing {
    async fn call(&self, call: OutwardCall) -> Result<Bytes, OutwardError> {
        let chain = self.chain();
        chain.check(&call.to).map_err(|error| match error {
            chain::Error::Cycle(_) => OutwardError::Cycle(error.to_string()),
            chain::Error::TooDeep(_) => OutwardError::TooDeep(error.to_string()),
        })?;
        let to = &call.to;
        let unavailable = |why| OutwardError::Unavailable(format!("{to} was not called: {why}"));
        let route = self.around.exit.route();
        let route = route.ok_or_else(|| unavailable("this node reaches no other objects"))?;
        let place = self.around.calls_out.try_acquire();
        let _place =
            place.map_err(|_| unavailable("too many calls of this node wait for others"))?;
        self.depart(chain.age(), to).await?;
        let (to, call) = self.call_of(call, chain)?;
        self.around.metrics.calls_out.inc();
        let answer = route.bring(&to, call).await;
        tell(&self.cell, Event::Returned, &self.around);
        answer.map(|done| done.reply).map_err(|error| told(*error))
    }
}

/// What the handler is told of a call that has no reply.
fn told(error: Error) -> OutwardError {
    let text = error.message;
    match (error.code, error.refusal) {
        (Code::ObjectRejected, Some(refusal)) => OutwardError::Refused(*refusal),
        (Code::MalformedRequest | Code::InvalidArgument | Code::IdempotencyKeyReused, _) => {
            OutwardError::InvalidArgument(text)
        }
        (Code::UnknownType | Code::UnknownHandler | Code::ObjectNotFound, _) => {
            OutwardError::NotFound(text)
        }
        (Code::CallConflict, _) => OutwardError::Conflict(text),
        (Code::DeadlineExceeded, _) => OutwardError::TimedOut(text),
        (code, _) if code.effect() != Effect::None => OutwardError::Unknown(text),
        (code, _) if is_failure(code) => OutwardError::Failed(text),
        _ => OutwardError::Unavailable(text),
    }
}

/// Whether the object's own code is to blame.
fn is_failure(code: Code) -> bool {
    matches!(
        code,
        Code::ObjectTrapped
            | Code::CpuExceeded
            | Code::MemoryExceeded
            | Code::StackExceeded
            | Code::HostCallsExceeded
            | Code::ContractBroken
            | Code::StateTooLarge
            | Code::StateUnreadable
    )
}

/// Finds out whom `callee` waits for, and whom that one, and so on, and tells the object that asks.
pub(super) async fn follow(
    cell: Arc<Cell>,
    around: Arc<Surroundings>,
    departure: u32,
    callee: ObjectId,
) {
    let mut path = vec![callee];
    let Some(route) = around.exit.route() else { return };
    while path.len() < FOLLOW_LEN_MAX
        && let Some(last) = path.last()
        && let Some(next) = route.waits_for(last).await
        && next != *cell.id()
        && !path.contains(&next)
    {
        path.push(next);
    }
    tell(&cell, Event::Followed(departure, path), &around);
}

/// Brings a message to its receiver, and tells the sender what came of it.
pub(super) async fn deliver(cell: Arc<Cell>, around: Arc<Surroundings>, delivery: Delivery) {
    let Delivery { number, message, pause } = delivery;
    if !pause.is_zero() {
        tokio::time::sleep(jittered(pause)).await;
    }
    // The object may have been given up meanwhile, or be another's: then it is not this node's to deliver.
    let is_own = cell.lock().machine.is_bringing(&message.to, number);
    if !is_own || !around.now(cell.id()).has_lease() {
        return tell(&cell, Event::Delivered(message.to, number, Delivered::NotYet), &around);
    }
    let call = Call {
        operation: Operation::Handle {
            handler: message.handler.as_ref().into(),
            argument: message.argument.clone(),
        },
        caller: Caller::Object(cell.id().clone()),
        origin: Origin { message: Some(number), ..Origin::default() },
        precondition: Precondition::None,
        key: None,
        consistency: Consistency::Lease,
        deadline: BootTime::now() + DELIVERY_TIMEOUT,
    };
    let delivered = match around.exit.route() {
        Some(route) => outcome(route.bring(&message.to, call).await),
        None => Delivered::NotYet,
    };
    let word = match delivered {
        Delivered::Done => "done",
        Delivered::Refused(_) => "refused",
        Delivered::NotYet => "not-yet",
    };
    around.metrics.deliveries.with_label_values(&[word]).inc();
    tell(&cell, Event::Delivered(message.to, number, delivered), &around);
}

fn outcome(answer: Answer) -> Delivered {
    let error = match answer {
        Ok(_) => return Delivered::Done,
        Err(error) => error,
    };
    let is_refused = is_failure(error.code)
        || matches!(
            error.code,
            Code::ObjectRejected
                | Code::MalformedRequest
                | Code::InvalidArgument
                | Code::UnknownType
                | Code::UnknownHandler
                | Code::OutboxFull
                | Code::Forbidden
        );
    if is_refused { Delivered::Refused(error.message) } else { Delivered::NotYet }
}
