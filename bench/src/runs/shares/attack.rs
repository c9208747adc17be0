//! Attacks: what objects and clients of other types do.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::http_client::{Body, Connection, write_request};
use crate::load::Target;
use crate::process::Server;
use crate::runs::Plan;

/// Time after which the client of an upload leaves.
const LEAVE_AFTER: Duration = Duration::from_secs(1);
/// Pause of a client whose connection ended.
const PAUSE: Duration = Duration::from_millis(10);

/// One kind of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attack {
    /// The same number of calls as `Loops`, without harm.
    Control,
    /// 64 objects set alarms for the past.
    Alarms,
    /// Each message sends two more among 500 objects.
    Storm,
    /// 1,000 objects loop until they are stopped.
    Loops,
    /// 1,500 objects each compute for a long time.
    Slow,
    /// 70 objects keep 58 MB each.
    Memory,
    /// 6,000 objects log 64 KiB per call.
    Log,
    /// Uploads whose clients leave.
    Uploads,
    /// All of them at once.
    All,
}

impl Attack {
    pub(super) const ALL: [Self; 9] = [
        Self::Control,
        Self::Alarms,
        Self::Storm,
        Self::Loops,
        Self::Slow,
        Self::Memory,
        Self::Log,
        Self::Uploads,
        Self::All,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Alarms => "alarms for the past",
            Self::Storm => "message storm",
            Self::Loops => "endless calls",
            Self::Slow => "slow calls",
            Self::Memory => "kept memory",
            Self::Log => "log lines",
            Self::Uploads => "abandoned uploads",
            Self::All => "all at once",
        }
    }

    /// Begins the attack. Its clients end when the result is dropped; the objects may go on.
    pub(super) fn begin(self, server: &Server, plan: &Plan) -> JoinSet<Result<()>> {
        let mut clients = JoinSet::new();
        self.spawn(server.address, plan, &mut clients);
        clients
    }

    fn spawn(self, address: SocketAddr, plan: &Plan, clients: &mut JoinSet<Result<()>>) {
        match self {
            Self::Control => flood(clients, address, 64, 1_000, ("counter", "value", "null")),
            Self::Alarms => once(clients, address, 64, ("greedy", "ring_at_once", "null")),
            Self::Storm => once(clients, address, 1, ("greedy", "spread", "0")),
            Self::Loops => {
                flood(clients, address, 256, 1_000, ("misbehaving", "spin_query", "null"));
            }
            Self::Slow => flood(clients, address, 256, 1_500, ("greedy", "compute", "20000")),
            Self::Memory => {
                flood(clients, address, 16, 70, ("misbehaving", "keep_memory", "58000000"));
            }
            Self::Log => {
                flood(clients, address, 64, 6_000, ("misbehaving", "log_long_line", "65536"));
            }
            Self::Uploads => abandon_uploads(clients, address, plan),
            Self::All => {
                for attack in Self::ALL {
                    if !matches!(attack, Self::Control | Self::All) {
                        attack.spawn(address, plan, clients);
                    }
                }
            }
        }
    }
}

/// Type, handler and argument of a call.
type Called = (&'static str, &'static str, &'static str);

fn target(called: Called, key_count: u64) -> Target {
    let (type_name, handler, argument) = called;
    let prefix = format!("{handler}-");
    Target { type_name, prefix, key_count, handler: handler.into(), argument: argument.into() }
}

/// Calls each object once.
fn once(clients: &mut JoinSet<Result<()>>, address: SocketAddr, key_count: u64, called: Called) {
    let target = target(called, key_count);
    clients.spawn(async move {
        let mut connection = Connection::open(address).await?;
        let mut request = Vec::new();
        for index in 0..key_count {
            target.write(&mut request, index);
            connection.exchange(&request).await?;
        }
        Ok(())
    });
}

/// Calls the objects in turn, each client as fast as it gets responses, whatever they are.
fn flood(
    clients: &mut JoinSet<Result<()>>,
    address: SocketAddr,
    client_count: u64,
    key_count: u64,
    called: Called,
) {
    for first in 0..client_count {
        let target = target(called, key_count);
        clients.spawn(async move {
            let mut request = Vec::new();
            let mut index = first;
            loop {
                let Ok(mut connection) = Connection::open(address).await else {
                    sleep(PAUSE).await;
                    continue;
                };
                loop {
                    target.write(&mut request, index);
                    index += client_count;
                    if connection.exchange(&request).await.is_err() {
                        break;
                    }
                }
            }
        });
    }
}

/// Uploads components that no node has compiled, and leaves before the answer.
fn abandon_uploads(clients: &mut JoinSet<Result<()>>, address: SocketAddr, plan: &Plan) {
    let wasm = plan.artifacts.guest("misbehaving").and_then(|path| Ok(std::fs::read(path)?));
    let Ok(wasm) = wasm else { return };
    for client in 0..8_u32 {
        let mut wasm = wasm.clone();
        clients.spawn(async move {
            let length = wasm.len();
            for number in 0.. {
                wasm.truncate(length);
                // A custom section with the name "nonce" makes it another component.
                wasm.extend([0, 14, 5]);
                wasm.extend(b"nonce");
                wasm.extend(client.to_le_bytes());
                wasm.extend(u32::to_le_bytes(number));
                let mut request = Vec::new();
                let body = Body { media_type: "application/wasm", bytes: &wasm };
                write_request(&mut request, "POST", "/v1/types", &body);
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(&request).await?;
                sleep(LEAVE_AFTER).await;
            }
            Ok(())
        });
    }
}
