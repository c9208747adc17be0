//! `s3-…`: overhead of Highlander on its S3 store: writes of many objects, one hot object, and an activation.
//!
//! In every subject, node, client and S3 server share one process and its threads, and there is no HTTP in front
//! of the node.

pub(super) mod activation;
pub(super) mod hot;
pub(super) mod updates;
