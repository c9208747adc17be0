//! Loading of components: the purposes for which they are loaded, and the reasons why they cannot be.

use crate::caller::Caller;

/// Purpose of a component that is loaded. If it must be compiled, the purpose decides when it is its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadPurpose {
    /// Objects of this node need it.
    Activation,
    /// A roll-out prepares it on this node.
    Rollout,
    /// This caller uploaded it.
    Upload(Caller),
    /// This node takes part in a rehearsal of it.
    Rehearsal,
}

/// Reason why a component cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not a component of the world `highlander:object`, or import something that is not available.
    #[error("{0}")]
    Refused(String),
    /// Too many uploads wait for the compiler. A retry may succeed.
    #[error("the component was not compiled: {0}")]
    QueueFull(String),
    /// The machine is too busy to compile the component now. A retry may succeed.
    #[error("the component was not compiled: {0}")]
    Busy(String),
    /// The memory of the node, of so many bytes for all objects, is in use. A retry may succeed.
    #[error("the memory of this node is in use, {0} bytes for all objects (sandbox.memory_total)")]
    NodeMemoryFull(usize),
    /// The host could not compile or load the component; this is not the component's fault.
    #[error("the component could not be compiled: {0}")]
    Failed(String),
}
