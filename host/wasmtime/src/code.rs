//! Compiled machine code, and the only place where it is loaded.
//!
//! Loading code executes its content and trusts its metadata. So code has only two sources: the compiler that this
//! node chose, and the cache, which verifies its MAC. Nothing from the network, the store or another node becomes
//! [`CompiledCode`].

use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled code that may be loaded.
pub(super) struct CompiledCode(Vec<u8>);

impl CompiledCode {
    /// Accepts code that this node's compiler has just produced.
    ///
    /// The compiling child has processed hostile input, and its output is trusted anyway. It runs this node's own
    /// binary, and no other process can access the file with its output. So the output is our compiler's result for
    /// the component, which would be trusted in any process: a compiler that an attacker deceives generates wrong
    /// code wherever it runs, and wrong code runs with the rights of the node. The child keeps the *resource use*
    /// of compiling, and crashes, away from the node, and an attacker who takes it over can do nothing but send an
    /// output. The remaining risk is a vulnerability in the compiler. A pinned, maintained version with few
    /// features enabled keeps it small.
    pub(super) fn of_compiler(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Accepts code from this node's disk whose MAC the cache has just verified.
    pub(super) fn verified(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Loads the code.
    #[allow(
        unsafe_code,
        reason = "loading compiled code is inherently unsafe; a `CompiledCode` guarantees its origin"
    )]
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: a `CompiledCode` holds the output of `Engine::precompile_component`. It was produced just now by a
        // process of this very binary, or earlier by a process that had this node's key, for this configuration and
        // this version of wasmtime.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}
