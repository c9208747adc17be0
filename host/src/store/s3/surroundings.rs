//! What a store is connected with: the options, checked, and what the SDK finds around the process.
//!
//! Nothing is asked of the store here.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;

use super::{AccessKey, ConnectError, Options};

/// The SDK changes its ways with a new version of its behaviour only, and we with it when this is changed.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// For stores that do not care where they are.
const REGION_OF_ENDPOINTS: &str = "us-east-1";

/// What the SDK needs to know, from the options and from where it looks itself.
pub(super) async fn config(
    options: &Options,
    key: Option<AccessKey>,
) -> Result<SdkConfig, ConnectError> {
    let mut loader = aws_config::defaults(behavior())
        // Every request has a deadline of its own.
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
        // The SDK would ask the metadata of the machine last, and elsewhere than at AWS wait for it in vain.
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

/// The prefix as names begin with it, if all options can be used.
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
