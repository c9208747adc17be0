//! `s3`: what Highlander adds to its S3 store: to writes of many objects, to one hot object, to an activation.
//!
//! Node, client and S3 server share one process and its threads, in every subject alike, and there is no HTTP before
//! the node.

mod activation;
mod hot;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use highlander_host::node::Node;

use super::Plan;
use crate::report::Report;

pub(super) async fn run(plan: &Plan) -> Result<Vec<Report>> {
    Ok(vec![updates::run(plan).await?, hot::run(plan).await?, activation::run(plan).await?])
}

/// Increments of one object from 64 clients; how often.
pub(super) async fn load_hot(node: &Arc<Node>, limit: Duration) -> Result<u64> {
    hot::load(node, limit).await
}
