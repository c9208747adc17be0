//! Resolves the endpoint once per client instead of once per request.
//!
//! The SDK's rules derive the address from bucket, region and options, not from the key. The SDK still evaluates
//! them for every new key, and they account for much of its overhead per request.

use std::sync::OnceLock;

use aws_sdk_s3::config::endpoint::{
    DefaultResolver, Endpoint, EndpointFuture, Params, ResolveEndpoint,
};

/// Cached endpoint of a client that uses a single bucket.
#[derive(Debug, Default)]
pub(super) struct OneBucket {
    rules: DefaultResolver,
    endpoint: OnceLock<Endpoint>,
}

impl ResolveEndpoint for OneBucket {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        if let Some(endpoint) = self.endpoint.get() {
            return EndpointFuture::ready(Ok(endpoint.clone()));
        }
        EndpointFuture::new(async move {
            let endpoint = ResolveEndpoint::resolve_endpoint(&self.rules, params).await?;
            Ok(self.endpoint.get_or_init(|| endpoint).clone())
        })
    }
}
