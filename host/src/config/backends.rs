//! Registry and store settings, and the adapters' options derived from them.
//!
//! Fields of a kind that was not selected hold their defaults and are unused.

use std::path::PathBuf;
use std::time::Duration;

use highlander_core::registry::claims::Granularity;

use super::Config;
#[cfg(feature = "zookeeper")]
use crate::secret;
use crate::secret::Error;

/// Returns the error of a configuration that selects an adapter which this binary was built without.
#[must_use]
pub fn left_out(feature: &str) -> Error {
    let text = format!("this binary was built without the Cargo feature {feature:?}");
    Error::new(text).with_hint("use a binary that was built with the default features")
}

/// Registry implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryKind {
    /// Within this process.
    Local,
    /// A ZooKeeper ensemble.
    ZooKeeper,
}

/// Store implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Database in `node.data_dir`.
    Embedded,
    /// S3 bucket.
    S3,
}

/// `registry.…`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryConfig {
    /// `registry.kind`.
    pub kind: RegistryKind,
    /// `registry.connect`: servers and chroot.
    pub connect: Option<String>,
    /// `registry.session_timeout`: requested timeout; the servers may grant a different one.
    pub session_timeout: Duration,
    /// `registry.claims`.
    pub claims: Granularity,
    /// `registry.claims_max`.
    pub claims_max: usize,
    /// `registry.credentials_file`.
    pub credentials_file: Option<PathBuf>,
    /// `registry.tls_ca`: CA certificates; enables TLS.
    pub tls_ca: Option<PathBuf>,
    /// `registry.tls_cert`: client certificate; never set without [`tls_key`](Self::tls_key).
    pub tls_cert: Option<PathBuf>,
    /// `registry.tls_key`.
    pub tls_key: Option<PathBuf>,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            kind: RegistryKind::Local,
            connect: None,
            session_timeout: Duration::from_secs(6),
            claims: Granularity::Object,
            claims_max: 25_000,
            credentials_file: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
        }
    }
}

/// `store.…`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// `store.kind`.
    pub kind: StoreKind,
    /// `store.bucket`.
    pub bucket: Option<String>,
    /// `store.prefix`; may be empty.
    pub prefix: String,
    /// `store.endpoint`; `None` means AWS.
    pub endpoint: Option<String>,
    /// `store.region`; `None` means that the AWS SDK resolves it.
    pub region: Option<String>,
    /// `store.path_style`, if set.
    pub path_style: Option<bool>,
    /// `store.request_timeout`.
    pub request_timeout: Duration,
}

impl StoreConfig {
    /// Whether requests have the bucket in the path, as most servers other than AWS require.
    #[must_use]
    pub fn is_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            kind: StoreKind::Embedded,
            bucket: None,
            prefix: String::new(),
            endpoint: None,
            region: None,
            path_style: None,
            request_timeout: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// Returns the ZooKeeper options of this node, which other nodes reach at `address`. Reads the credentials
    /// file.
    ///
    /// # Errors
    /// The credentials file cannot be read or is malformed.
    #[cfg(feature = "zookeeper")]
    pub fn zookeeper_options(&self, address: &str) -> Result<highlander_zookeeper::Options, Error> {
        let RegistryConfig { connect, credentials_file, tls_ca, tls_cert, tls_key, .. } =
            self.registry.clone();
        let credentials = credentials_file.as_deref().map(secret::read_credentials).transpose()?;
        Ok(highlander_zookeeper::Options {
            connect: connect.unwrap_or_default(),
            session_timeout: self.registry.session_timeout,
            granularity: self.registry.claims,
            claims_max: self.registry.claims_max,
            credentials,
            tls: tls_ca.map(|ca| highlander_zookeeper::Tls { ca, identity: tls_cert.zip(tls_key) }),
            node_name: self.node_name(),
            address: address.to_owned(),
            store: None,
        })
    }

    /// Returns the location of the records, equal on all nodes: the bucket, followed by the prefix if there is
    /// one.
    #[must_use]
    pub fn store_name(&self) -> String {
        let bucket = self.store.bucket.as_deref().unwrap_or_default();
        match self.store.prefix.as_str() {
            "" => bucket.to_owned(),
            prefix => format!("{bucket}/{prefix}"),
        }
    }

    /// Returns the S3 options.
    #[cfg(feature = "s3")]
    #[must_use]
    pub fn s3_options(&self) -> highlander_s3::Options {
        let StoreConfig { bucket, prefix, endpoint, region, request_timeout, .. } =
            self.store.clone();
        highlander_s3::Options {
            bucket: bucket.unwrap_or_default(),
            prefix,
            endpoint,
            region,
            path_style: self.store.is_path_style(),
            request_timeout,
        }
    }
}
