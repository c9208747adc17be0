//! `lock-…`: how many locks a small ZooKeeper cluster can handle.
//!
//! Four measurements: the rates of taking and releasing locks, their memory on the servers, the effect on others
//! of the end of a session with many locks, and the effect of partitions.

pub(super) mod close;
pub(super) mod memory;
pub(super) mod partitions;
pub(super) mod rates;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::zk_locks::{Lock, Locker};

/// Concurrency of taking locks when only their number matters.
const FILLING: usize = 512;

/// Numbers of locks, each issued once.
#[derive(Debug, Clone, Default)]
struct Numbers(Arc<AtomicU64>);

impl Numbers {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// End of taking locks.
#[derive(Debug, Clone, Copy)]
enum Until {
    Elapsed(Duration),
    Count(u64),
}

/// Takes new locks with this concurrency; returns the locks of each task, and the rate per second.
async fn take(
    locker: &Arc<Locker>,
    numbers: &Numbers,
    concurrency: usize,
    until: Until,
) -> Result<(Vec<Vec<Lock>>, f64)> {
    let began = Instant::now();
    let taken = Numbers::default();
    let mut tasks = JoinSet::new();
    for _ in 0..concurrency {
        let (locker, numbers, taken) = (Arc::clone(locker), numbers.clone(), taken.clone());
        tasks.spawn(async move {
            let mut locks = Vec::new();
            loop {
                let is_over = match until {
                    Until::Elapsed(limit) => began.elapsed() >= limit,
                    Until::Count(count) => taken.next() >= count,
                };
                if is_over {
                    return anyhow::Ok(locks);
                }
                locks.push(locker.take(numbers.next()).await?);
            }
        });
    }
    let mut locks = Vec::new();
    while let Some(of_one) = tasks.join_next().await {
        locks.push(of_one??);
    }
    let count: usize = locks.iter().map(Vec::len).sum();
    Ok((locks, count as f64 / began.elapsed().as_secs_f64()))
}

/// Releases locks with one task for each list, and returns the rate per second.
async fn give_back(locker: &Arc<Locker>, locks: Vec<Vec<Lock>>) -> Result<f64> {
    let began = Instant::now();
    let count: usize = locks.iter().map(Vec::len).sum();
    let mut tasks = JoinSet::new();
    for of_one in locks {
        let locker = Arc::clone(locker);
        tasks.spawn(async move {
            for lock in &of_one {
                locker.give_back(lock).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome??;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Takes and releases enough locks to warm up a server and to create all shards of claims.
async fn warm_up(locker: &Arc<Locker>, numbers: &Numbers) -> Result<()> {
    let (locks, _) = take(locker, numbers, FILLING, Until::Count(12_000)).await?;
    give_back(locker, locks).await?;
    Ok(())
}
