//! Context of a call other than its caller: the chain of waiting objects, the delivered message, the trace and the
//! rank.
//!
//! Pure values; the HTTP edge decides which senders may set them.

pub mod chain;
pub mod trace;

use std::sync::Arc;

use chain::Chain;
use trace::TraceParent;

/// Context of a call. Cheap to clone; empty for most calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Objects that wait for the call, if an object makes it.
    pub chain: Option<Arc<Chain>>,
    /// Number of the message that the call delivers, if any; the caller is then the sender.
    pub message: Option<u64>,
    /// Trace that the call belongs to, if its caller named one.
    pub trace: Option<TraceParent>,
    /// Rank among the calls that wait for the same object, or for processor time.
    pub rank: Rank,
}

/// Rank of a call among the calls that wait for the same object, or for processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Rank {
    /// A client waits for the call, or for a call that makes it.
    #[default]
    Client,
    /// No client waits: a message, an alarm, or a call that one of these makes.
    Background,
}
