//! A guest that tries to access the network: its component imports `wasi:sockets`, so every host must reject it.

use std::net::TcpStream;

use highlander_sdk::prelude::*;

/// Attempts to open connections.
#[derive(ObjectState)]
struct ForbiddenImport {}

#[object]
impl ForbiddenImport {
    /// Connects to `address`, and returns whether the connection succeeded.
    fn connect(&self, address: String) -> bool {
        TcpStream::connect(address).is_ok()
    }
}
