//! The engine that runs components with wasmtime.
