//! `swap-…`: cost of replacing one revision by another while objects are called.
//!
//! The two revisions behave equally but have different bytes, so the host loads, tries and swaps them like any
//! other. They alternate by roll-backs, because each deployment would make the type's record longer.

pub(super) mod load;
pub(super) mod rehearsal;
pub(super) mod rollout_time;
pub(super) mod upgrade_latency;

use std::net::SocketAddr;

use anyhow::Result;

use super::Plan;
use crate::artifacts::variant;
use crate::http_client::{self, Body};
use crate::subject;

/// Type with two revisions that every node has compiled; one of them is current.
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
        // The first swap ends the roll-out of the deployment, which is still in the stage watching. That takes
        // effect at once, unlike the swaps that follow.
        alternation.next().await?;
        Ok(alternation)
    }

    /// Makes the other revision current, and returns its number once every object runs it at its next call.
    async fn next(&mut self) -> Result<u32> {
        let to = 3 - self.current;
        let path = format!("/v1/types/{}/rollback?to={to}", self.type_name);
        let nothing = Body { media_type: "application/json", bytes: b"" };
        http_client::ask(self.address, "POST", &path, &nothing).await?.done()?;
        self.current = to;
        Ok(to)
    }
}
