//! Shares of processor time: where a call runs ([`place`]), and which call runs next ([`shares`]).
//!
//! A call whose handler is known to be short runs at once, as long as its object type and the node have credit
//! ([`bucket`]). All others wait for a guest thread, in the order of the shares.

pub mod bucket;
mod level;
pub mod place;
pub mod quota;
pub mod shares;
