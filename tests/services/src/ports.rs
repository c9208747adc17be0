//! Ports that are free at the moment, and likely to stay free.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::TcpListener;

use anyhow::{Context as _, Result};

/// Below the range for outgoing connections, which could otherwise take the port of a server that is down.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;
const ATTEMPTS_MAX: usize = 10_000;

/// Returns this many distinct ports of 127.0.0.1 without a listener.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    let attempts = (0..ATTEMPTS_MAX).map(|_| FIRST + random() % COUNT);
    // All listeners stay open until the last is found, so that no port is found twice.
    let listeners: Vec<_> = attempts
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .take(count)
        .collect();
    (listeners.len() == count).then_some(()).context("not enough free ports")?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// Returns a random number from the hash maps' seed, the standard library's only source of randomness.
fn random() -> u16 {
    // The lowest bits are as random as any.
    RandomState::new().build_hasher().finish() as u16
}
