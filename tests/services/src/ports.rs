//! Ports that are free at the moment, and likely to stay free.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, Result};

/// Below the range for outgoing connections, which could otherwise take the port of a server that is down.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;
const ATTEMPTS_MAX: usize = 10_000;

/// Returns the address of a port of this machine without a listener.
///
/// # Errors
/// If no port is free.
pub fn free_address() -> Result<SocketAddr> {
    let port = free(1)?.pop().context("no port is free")?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

/// Returns this many distinct ports of 127.0.0.1 without a listener.
///
/// # Errors
/// If fewer ports are free.
pub fn free(count: usize) -> Result<Vec<u16>> {
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
