//! `lock-…`: how many locks a small ZooKeeper cluster can handle.
//!
//! Four measurements: how quickly locks are taken and given back, what memory each costs the servers, what the end of a
//! session with many of them costs the others, and what partitions change.

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

use crate::locker::{Lock, Locker};

/// As many locks are taken at once where only their number counts.
const FILLING: usize = 512;

/// Numbers of locks, each given out once.
#[derive(Debug, Clone, Default)]
struct Numbers(Arc<AtomicU64>);

impl Numbers {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// When to stop taking locks.
#[derive(Debug, Clone, Copy)]
enum Until {
    Elapsed(Duration),
    Count(u64),
}

/// Takes new locks, so many at once; each task's own, and how many there were in a second.
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

/// Gives locks back, as many at once as there are lists of them; how many in a second.
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

/// Takes and gives back as many locks as make a server warm, and all shards of claims.
async fn warm_up(locker: &Arc<Locker>, numbers: &Numbers) -> Result<()> {
    let (locks, _) = take(locker, numbers, FILLING, Until::Count(12_000)).await?;
    give_back(locker, locks).await?;
    Ok(())
}
