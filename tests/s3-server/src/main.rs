//! An S3 server for tests and benchmarks.
fn main() {}
