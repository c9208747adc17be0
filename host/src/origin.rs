//! How a call came about, besides who makes it: the objects that wait for it, the message that it delivers, its trace.
//!
//! Pure values. Who may say so of a call is the edge's to know.

pub mod chain;
pub mod trace;

use std::sync::Arc;

use chain::Chain;
use trace::TraceParent;

/// How a call came about. Cheap to clone; most calls have nothing to say here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The objects that wait for it, if an object makes it.
    pub chain: Option<Arc<Chain>>,
    /// The number of the message that it delivers, if it does: the caller is the sender then.
    pub message: Option<u64>,
    /// The trace it belongs to, if its caller named one.
    pub trace: Option<TraceParent>,
}
