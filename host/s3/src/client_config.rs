//! Client configuration: the validated options, completed with what the SDK finds in the environment.
//!
//! This module does not contact the store.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;

use super::{AccessKey, ConnectError, Options};

/// Pinned version of the SDK's defaults, which change only when this version is raised.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Default region for servers that ignore the region.
const REGION_OF_ENDPOINTS: &str = "us-east-1";

/// Builds the SDK configuration from the options and from the SDK's own sources.
pub(super) async fn config(
    options: &Options,
    key: Option<AccessKey>,
) -> Result<SdkConfig, ConnectError> {
    let mut loader = aws_config::defaults(behavior())
        // Every request has its own timeout.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(AccessKey { id, secret }) = key {
        loader =
            loader.credentials_provider(Credentials::new(id, secret, None, None, "configured"));
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader = match (&options.region, &options.endpoint) {
        (Some(region), _) => loader.region(Region::new(region.clone())),
        // The SDK would query the machine's metadata service last and, outside AWS, wait for it in vain.
        (None, Some(_)) => loader.region(
            RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                .or_else(ProfileFileRegionProvider::new())
                .or_else(Region::from_static(REGION_OF_ENDPOINTS)),
        ),
        (None, None) => loader,
    };
    let config = loader.load().await;
    if config.region().is_some() { Ok(config) } else { Err(ConnectError::Region) }
}

/// Validates all options and returns the prefix as it begins every key.
pub(super) fn checked_prefix(options: &Options) -> Result<String, ConnectError> {
    let Options { bucket, prefix, endpoint, .. } = options;
    let is_bucket_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_bucket_byte) {
        return Err(ConnectError::Bucket(bucket.clone()));
    }
    if let Some(endpoint) = endpoint {
        let address = endpoint.parse::<http::Uri>().ok();
        let has_scheme = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
        if !address.is_some_and(|uri| has_scheme(&uri) && uri.host().is_some()) {
            return Err(ConnectError::Endpoint(endpoint.clone()));
        }
    }
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() {
        return Ok(String::new());
    }
    if prefix.len() > 256
        || !prefix.bytes().all(|byte| byte.is_ascii_graphic())
        || prefix.contains("//")
    {
        return Err(ConnectError::Prefix(prefix.to_owned()));
    }
    Ok(format!("{prefix}/"))
}
