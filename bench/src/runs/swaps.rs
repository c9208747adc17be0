//! `swap-…`: what it costs that another revision takes the place of one, while objects are called.
//!
//! The two revisions do the same and have different bytes, so that the host loads, tries and swaps as with any other.
//! They alternate by roll-backs to one and the other: a deployment would make the type's record longer each time.

pub(super) mod load;
pub(super) mod pause;
pub(super) mod rehearsal;
pub(super) mod served;

use std::net::SocketAddr;

use anyhow::Result;

use super::Plan;
use crate::artifacts::variant;
use crate::subject;
use crate::wire::{self, Body};

/// A type with two revisions that every node has compiled, of which one is current.
struct Alternation {
    address: SocketAddr,
    type_name: &'static str,
    current: u32,
}

impl Alternation {
    /// Deploys a component and a variant of it.
    async fn new(plan: &Plan, address: SocketAddr, type_name: &'static str) -> Result<Self> {
        let wasm = std::fs::read(plan.artifacts.guest(type_name)?)?;
        subject::upload(address, &wasm).await?;
        let current = subject::upload(address, &variant(&wasm, "other")?).await?;
        let mut alternation = Self { address, type_name, current };
        // What is still being watched goes at once, without a roll-out: that is another thing than those that follow.
        alternation.next().await?;
        Ok(alternation)
    }

    /// Makes the other revision current, and gives its number when every object runs it at its next call.
    async fn next(&mut self) -> Result<u32> {
        let to = 3 - self.current;
        let path = format!("/v1/types/{}/rollback?to={to}", self.type_name);
        let nothing = Body { media_type: "application/json", bytes: b"" };
        wire::ask(self.address, "POST", &path, &nothing).await?.done()?;
        self.current = to;
        Ok(to)
    }
}
