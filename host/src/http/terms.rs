//! The terms of a call, parsed from the request's head: precondition, consistency, timeout, idempotency key and origin.
//! They are parsed once, before the body is read.

use std::sync::Arc;
use std::time::Duration;

use highlander_core::activation::idempotency::fingerprint;
use highlander_core::activation::{Call, Consistency, IdempotencyKey, Operation, Precondition};
use highlander_core::call_context::Origin;
use highlander_core::caller::Caller;
use highlander_core::error::Error;
use highlander_system::clock;
use http::HeaderMap;

use super::auth::forwarded;
use super::request::{self, CALLER, malformed};
use super::route::Route;
use crate::router::context::Context;

/// The terms of a call.
#[derive(Debug)]
pub(super) struct Terms {
    precondition: Precondition,
    consistency: Consistency,
    timeout: Duration,
    key: Option<Arc<str>>,
    origin: Origin,
    context: Context,
}

/// Rejects invalid headers that the route does not parse itself. A route that calls an object parses most of them
/// later, because its errors name the object.
pub(super) fn check(headers: &HeaderMap, route: &Route<'_>) -> Result<(), Error> {
    if !matches!(route, Route::Events(_)) {
        request::last_event_id(headers)?;
    }
    if route.is_call() {
        return Ok(());
    }
    if headers.get(CALLER).is_some_and(|value| forwarded::read(value).is_none()) {
        return Err(malformed("Highlander-Caller is not valid; expected a caller"));
    }
    Terms::read(headers, Precondition::None, Duration::ZERO).map(drop)
}

impl Terms {
    /// Parses the terms. The precondition is given: its headers depend on the route.
    pub(super) fn read(
        headers: &HeaderMap,
        precondition: Precondition,
        timeout: Duration,
    ) -> Result<Self, Error> {
        Ok(Self {
            precondition,
            consistency: request::consistency(headers)?,
            timeout: request::timeout(headers, timeout)?,
            key: request::idempotency_key(headers)?.map(Into::into),
            origin: request::origin(headers)?,
            context: request::context(headers)?,
        })
    }

    /// Returns the call of an operation on these terms. The timeout counts from now.
    pub(super) fn call(self, operation: Operation, caller: Caller) -> (Call, Context) {
        let Self { precondition, consistency, timeout, key, origin, context } = self;
        let key = key.map(|key| {
            let fingerprint = fingerprint(&operation, &caller);
            IdempotencyKey { key, fingerprint }
        });
        let deadline = clock::now() + timeout;
        (Call { operation, caller, origin, precondition, key, consistency, deadline }, context)
    }
}
