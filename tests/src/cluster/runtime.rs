//! Threads of the cluster's in-process parts: links and the S3 server.
//!
//! They are separate from the test's threads. So a busy test delays no other, and a cluster can outlive the test
//! that started it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use highlander_s3_server::{Options, Server};
use highlander_services::fault_proxy::FaultProxy;
use highlander_services::ministack::Ministack;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("cluster").enable_all().build().unwrap()
});

/// Starts a link on these threads. Without a target, the node behind it does not run yet.
pub(super) async fn link(target: Option<SocketAddr>) -> FaultProxy {
    let link = RUNTIME.spawn(async move {
        match target {
            Some(target) => FaultProxy::to(target).await,
            None => FaultProxy::unaimed().await,
        }
    });
    link.await.unwrap().expect("a port for a link")
}

/// Starts a link on these threads from blocking code.
#[must_use]
pub fn link_from_blocking(target: SocketAddr) -> FaultProxy {
    RUNTIME.block_on(FaultProxy::to(target)).expect("a port for a link")
}

/// Starts an S3 server on these threads.
pub(super) async fn store(dir: PathBuf) -> Server {
    // Losing data in a crash of the machine is not under test.
    let options = Options { is_durable: false, ..Options::new(dir) };
    let store = RUNTIME.spawn(Server::start(options)).await.unwrap().expect("an S3 server");
    eprintln!("random faults of the store use seed {}", store.faults().seed());
    store
}

/// Starts ministack with an empty bucket on these threads.
pub(super) async fn ministack(bucket: &'static str) -> Ministack {
    RUNTIME.spawn(Ministack::start(bucket)).await.unwrap().expect("ministack")
}

/// Runs a blocking operation.
pub(super) async fn block<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    match RUNTIME.spawn_blocking(act).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
