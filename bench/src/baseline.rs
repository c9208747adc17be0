//! Baselines: servers that do the minimum that is possible with the host's HTTP libraries.
//!
//! They are child processes of this program, each on a separate port. They serve connections as the host does,
//! with the settings of the host. The objects, whose cost is measured, are left out.

mod constant;
mod log;
mod native;

use std::time::Duration;

use anyhow::Result;
use axum::Router;
use clap::ValueEnum;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::process::ANNOUNCEMENT;

/// Largest request head in bytes, as in the host.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Kind of baseline.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// Responds to every request with a constant
    Constant,
    /// Counts in one task per counter, and syncs the counts
    Native,
    /// Uses one processor fully
    Spin,
}

/// Serves until the process is killed.
pub(crate) fn run(kind: Kind) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match kind {
        Kind::Constant => runtime.block_on(serve(constant::router())),
        Kind::Native => {
            let router = native::router()?;
            runtime.block_on(serve(router))
        }
        Kind::Spin => {
            std::thread::spawn(spin);
            runtime.block_on(serve(constant::router()))
        }
    }
}

async fn serve(router: Router) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("{ANNOUNCEMENT}{}", listener.local_addr()?);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        let builder = builder.clone();
        tokio::spawn(async move {
            // The client reports a connection that fails.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn spin() {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
