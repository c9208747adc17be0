//! An S3 server for tests and benchmarks: strict, durable, with faults on request.
