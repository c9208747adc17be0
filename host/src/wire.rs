//! Documents of the HTTP API, in both directions: what a node serializes, other nodes and the command line parse.
//!
//! Each document has one definition. It is serialized with its members in the order of the fields.

pub mod effects;
pub mod events;
pub mod nodes;
pub mod objects;
pub mod problem;
pub mod rehearsals;
pub mod rollouts;
pub mod sse;
pub mod types;
