//! Where requests go: worked out once, and not for each key.
//!
//! The rules of the SDK lead from bucket, region and options to an address, and do not look at the key, but run for
//! each request with another one. They are a good part of what the SDK adds to a request.

use std::sync::OnceLock;

use aws_sdk_s3::config::endpoint::{
    DefaultResolver, Endpoint, EndpointFuture, Params, ResolveEndpoint,
};

/// The address of the one bucket of a client.
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
