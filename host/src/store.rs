//! Supervision of the node's store, whichever adapter it is.

pub mod health;
