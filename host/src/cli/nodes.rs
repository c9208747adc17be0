//! The command about nodes: which there are, and what they are doing.
//!
//! It shows what the node that is asked knows.

use serde::Deserialize;

use super::client::{Client, Request};
use super::failure::Failure;
use super::output;

#[derive(Debug, Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    address: String,
    state: String,
    active_objects: u64,
}

/// Prints the nodes.
pub(super) async fn list(client: &Client) -> Result<(), Failure> {
    let answer = client.send(Request::get("/v1/nodes")).await?;
    if client.is_json {
        return output::json(&answer.body);
    }
    let Nodes { nodes } = answer.read()?;
    let mut rows = vec![["NODE", "ADDRESS", "STATE", "ACTIVE"].map(str::to_owned).to_vec()];
    rows.extend(
        nodes
            .into_iter()
            .map(|node| vec![node.id, node.address, node.state, node.active_objects.to_string()]),
    );
    output::table(&rows)
}
