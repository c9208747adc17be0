//! Machine code, and the one place where it is loaded.
//!
//! Loading code means to run whatever it holds, and to believe what it says of itself. So it comes from two sources
//! only: the compiler that this node chose, and the cache, which checks its MAC. Nothing from the network, the store or
//! another node ever becomes a [`Code`].

use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled code that may be loaded.
pub(super) struct Code(Vec<u8>);

impl Code {
    /// What the compiler of this node gave just now.
    ///
    /// The child that compiles ran on hostile input, and its answer is believed all the same. It is this node's own
    /// binary, and nobody but the two has the file that it answers in, so the answer is what our compiler makes of the
    /// component. That is believed in any process: a compiler that an attacker deceives gives wrong code wherever it
    /// runs, and wrong code runs with the rights of the node. The child keeps what compiling *takes* away from the
    /// node, and crashes too, and it leaves an attacker who takes it over nothing to do but to answer. What remains is
    /// the risk of a compiler with a hole, which the pinned, maintained version and its few features keep small.
    pub(super) fn of_compiler(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What this node kept on disk, and whose MAC the cache has just checked.
    pub(super) fn verified(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Loads it.
    #[allow(
        unsafe_code,
        reason = "loading compiled code is unsafe by nature; a `Code` says where it came from"
    )]
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: a `Code` holds what `Engine::precompile_component` gave, just now in a process of this very binary,
        // or earlier in a process that knew this node's key, for this configuration and this version of wasmtime.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}
