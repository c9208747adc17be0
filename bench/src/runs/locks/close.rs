//! Cost of the end of a session: the time until all its claims are free, and the delay of other sessions.
//!
//! Another session writes continuously, each write after the response to the previous one. Its longest write is
//! the stall. The longest write in an equal time before shows the variation of the machine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use highlander_core::registry::Registry as _;
use highlander_services::zookeeper::Ensemble;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zookeeper_client::{Acls, Client, CreateMode};

use super::rates::servers;
use super::{FILLING, Numbers, Until, take, warm_up};
use crate::fixtures::{self, Durability};
use crate::report::Report;
use crate::runs::Plan;
use crate::zk_locks::{self, Locker, Way};

const CLAIM_COUNTS: [u64; 3] = [1_000, 10_000, 50_000];
/// Limited, because creating the claims takes most of the time.
const ROUND_COUNT_MAX: usize = 3;
/// Time for which the other session is measured before the end, and after the last claim is free.
const WATCHED: Duration = Duration::from_secs(1);
const CLOSED: &str = "session closed after, ms";
const STALL: &str = "longest write of another session, ms";
const BEFORE: &str = "longest write in the second before, ms";
const PATH: &str = "/written";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("lock-close", "Closing a session with many claims");
    for server_count in [1, 3] {
        let ensemble = fixtures::ensemble(server_count, Durability::Synced)?;
        let numbers = Numbers::default();
        let locker = Arc::new(Locker::open(Way::Claim, &ensemble).await?);
        warm_up(&locker, &numbers).await?;
        drop(locker);
        for _ in 0..plan.round_count.min(ROUND_COUNT_MAX) {
            for claim_count in CLAIM_COUNTS {
                let seen = close(&ensemble, &numbers, claim_count).await?;
                let subject = format!("{claim_count} claims, {}", servers(server_count));
                report.add(CLOSED, &subject, seen.closed.as_secs_f64() * 1e3);
                report.add(STALL, &subject, seen.stall.as_secs_f64() * 1e3);
                report.add(BEFORE, &subject, seen.before.as_secs_f64() * 1e3);
            }
        }
    }
    Ok(report)
}

struct Seen {
    closed: Duration,
    stall: Duration,
    before: Duration,
}

async fn close(ensemble: &Ensemble, numbers: &Numbers, claim_count: u64) -> Result<Seen> {
    let locker = Arc::new(Locker::open(Way::Claim, ensemble).await?);
    take(&locker, numbers, FILLING, Until::Count(claim_count)).await?;
    let writer = Writer::start(ensemble).await?;
    sleep(WATCHED).await;
    let Locker::Claim(session) = &*locker else {
        anyhow::bail!("expected a locker that takes claims")
    };
    let began = Instant::now();
    session.leave().await;
    let closed = began.elapsed();
    sleep(WATCHED).await;
    let writes = writer.end().await?;
    let longest = |is_meant: &dyn Fn(&Write) -> bool| {
        let meant = writes.iter().filter(|write| is_meant(write));
        meant.map(|write| write.answered - write.sent).max().context("no write was answered")
    };
    Ok(Seen {
        closed,
        stall: longest(&|write| write.answered > began)?,
        before: longest(&|write| write.answered <= began)?,
    })
}

struct Write {
    sent: Instant,
    answered: Instant,
}

/// The other session.
struct Writer {
    writing: JoinHandle<Result<Vec<Write>>>,
    stop: watch::Sender<bool>,
}

impl Writer {
    async fn start(ensemble: &Ensemble) -> Result<Self> {
        let client = zk_locks::client(ensemble).await?;
        client.mkdir(PATH, &CreateMode::Persistent.with_acls(Acls::anyone_all())).await?;
        let (stop, stopped) = watch::channel(false);
        Ok(Self { writing: tokio::spawn(write(client, stopped)), stop })
    }

    async fn end(self) -> Result<Vec<Write>> {
        self.stop.send_replace(true);
        self.writing.await?
    }
}

async fn write(client: Client, stopped: watch::Receiver<bool>) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    while !*stopped.borrow() {
        let sent = Instant::now();
        client.set_data(PATH, b"x", None).await?;
        writes.push(Write { sent, answered: Instant::now() });
    }
    Ok(writes)
}
