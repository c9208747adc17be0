//! The bucket of a cluster's records: in our S3 server, which injects faults on request, or in ministack. Tests
//! read blobs from it without any node, to audit histories.

use std::net::SocketAddr;
use std::path::PathBuf;

use highlander_s3_server::{Options, Server};
use highlander_services::ministack::Ministack;

use super::runtime;

/// Server that stores the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// The test server of this repository.
    #[default]
    Ours,
    /// ministack.
    Ministack,
}

/// A running server with an empty bucket.
#[derive(Debug)]
pub(super) enum Bucket {
    Ours(Server),
    Ministack(Ministack),
}

impl Bucket {
    pub(super) async fn start(kind: Kind, dir: PathBuf) -> Self {
        match kind {
            Kind::Ours => Self::Ours(runtime::store(dir).await),
            Kind::Ministack => Self::Ministack(runtime::ministack(Self::NAME).await),
        }
    }

    /// Name of the bucket.
    pub(super) const NAME: &str = "highlander";

    /// Returns the access key and the secret key of the bucket.
    pub(super) fn credentials() -> (String, String) {
        let options = Options::new("");
        (options.access_key, options.secret_key)
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(server) => server.address(),
            Self::Ministack(server) => server.address(),
        }
    }

    /// Returns the content of a blob, if it exists.
    pub(super) async fn blob(&self, key: &str) -> Option<Vec<u8>> {
        match self {
            Self::Ours(server) => server.blob(key).map(|blob| blob.to_vec()),
            // ministack requires no signature.
            Self::Ministack(server) => {
                let url = format!("{}/{}/{key}", server.url(), Self::NAME);
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                let response = client.get(url).send().await.expect("ministack answers");
                match response.status().as_u16() {
                    200 => Some(response.bytes().await.expect("a whole blob").to_vec()),
                    404 => None,
                    status => panic!("ministack answered {status}"),
                }
            }
        }
    }
}
