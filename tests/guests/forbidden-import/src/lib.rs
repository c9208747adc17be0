//! A guest that tries to reach the network: its component imports `wasi:sockets`, so that no host may take it.

use std::net::TcpStream;

use highlander_sdk::prelude::*;

/// Wants to phone home.
#[derive(ObjectState)]
struct ForbiddenImport {}

#[object]
impl ForbiddenImport {
    /// Connects to `address`, and answers whether somebody was there.
    fn connect(&self, address: String) -> bool {
        TcpStream::connect(address).is_ok()
    }
}
