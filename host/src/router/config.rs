//! Settings of a router, with their defaults.

use std::time::Duration;

/// Settings of a router.
#[derive(Debug, Clone)]
pub struct Config {
    /// Maximum number of cached owners.
    pub owner_cache_len: usize,
    /// Maximum number of concurrent calls to each other node.
    pub calls_per_peer: usize,
    /// Maximum time that a call waits for a permit to be forwarded.
    pub peer_permit_wait: Duration,
    /// Maximum number of calls that may wait between attempts.
    pub waiting_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            owner_cache_len: 65_536,
            calls_per_peer: 1024,
            peer_permit_wait: Duration::from_millis(50),
            waiting_max: 8192,
        }
    }
}
