//! `highlander-s3-server`: the server of this package as a process, for demonstrations and benchmarks.
//!
//! It prints its address once it listens, and ends on SIGTERM or SIGINT. Its default credentials are public, so it
//! must listen only on trusted networks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use highlander_s3_server::faults::{Fault, Rule};
use highlander_s3_server::{Options, Server};
use tokio::signal::unix::{SignalKind, signal};

/// An S3 server for tests and benchmarks.
#[derive(Debug, Parser)]
#[command(name = "highlander-s3-server", version)]
struct Arguments {
    /// Folder of the blobs.
    #[arg(long)]
    data: PathBuf,
    /// Address to listen on; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Name of the only bucket.
    #[arg(long, default_value = "highlander")]
    bucket: String,
    /// Access key of signed requests.
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "highlander-access")]
    access_key: String,
    /// Secret key of signed requests.
    #[arg(
        long,
        env = "AWS_SECRET_ACCESS_KEY",
        default_value = "highlander-secret",
        hide_env_values = true
    )]
    secret_key: String,
    /// Latency added to every request, in milliseconds, with or without the unit.
    #[arg(long, default_value = "0ms", value_parser = milliseconds)]
    latency: Duration,
    /// Acknowledge writes before they are on disk.
    #[arg(long)]
    no_sync: bool,
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the caller waits for the address")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let options = Options {
        address: arguments.listen,
        bucket: arguments.bucket,
        access_key: arguments.access_key,
        secret_key: arguments.secret_key,
        is_durable: !arguments.no_sync,
        ..Options::new(arguments.data)
    };
    let server = Server::start(options).await.context("cannot start the server")?;
    if !arguments.latency.is_zero() {
        server.faults().add(Rule::new(Fault::Delay(arguments.latency)));
    }
    println!("listening on {}", server.url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.strip_suffix("ms").unwrap_or(text).parse().map(Duration::from_millis)
}
