//! `s3-…`: what Highlander adds to its S3 store: to writes of many objects, to one hot object, to an activation.
//!
//! Node, client and S3 server share one process and its threads, in every subject alike, and there is no HTTP before
//! the node.

pub(super) mod activation;
pub(super) mod hot;
pub(super) mod updates;
