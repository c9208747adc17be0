//! The order in which idle instances go, and in which permits are given.

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt as _, poll};
use highlander_core::engine::{
    Fault, GuestCall, Handled, HandlerError, Instance, RestoreError, Snapshot,
};
use highlander_core::id::Digest;
use highlander_core::memory::MemoryKind;
use highlander_core::memory::eviction::InstanceMemory;

use super::*;

/// Instance that only has a size.
#[derive(Debug)]
struct Block {
    memory: InstanceMemory,
    total: Arc<MemoryTotal>,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.total.remove(MemoryKind::Instances, self.memory.bytes);
    }
}

#[async_trait]
impl Instance for Block {
    async fn restore(
        &mut self,
        _id: &ObjectId,
        _snapshot: Option<Snapshot<'_>>,
    ) -> Result<(), RestoreError> {
        Ok(())
    }

    async fn handle(
        &mut self,
        _call: GuestCall<'_>,
    ) -> Result<Result<Handled, HandlerError>, Fault> {
        Err(Fault::Stack)
    }

    async fn snapshot(&mut self) -> Result<Bytes, Fault> {
        Err(Fault::Stack)
    }

    fn memory(&self) -> InstanceMemory {
        self.memory
    }
}

struct Fixture {
    cache: InstanceCache,
    memory: Arc<MemoryTotal>,
    metrics: Arc<Metrics>,
}

fn fixture(resident_max: usize, memory_max: usize) -> Fixture {
    let memory = Arc::new(MemoryTotal::new(memory_max));
    let metrics = Arc::new(Metrics::new());
    let cache = InstanceCache::new(resident_max, Arc::clone(&memory), Arc::clone(&metrics));
    Fixture { cache, memory, metrics }
}

fn id(key: &str) -> ObjectId {
    ObjectId::new("block", key).unwrap()
}

impl Fixture {
    fn deadline() -> BootTime {
        clock::now() + Duration::from_secs(10)
    }

    fn block(&self, bytes: usize, restored_bytes: usize) -> Box<dyn Instance> {
        assert!(self.memory.try_add(MemoryKind::Instances, bytes));
        let memory = InstanceMemory { bytes, restored_bytes, max: usize::MAX };
        Box::new(Block { memory, total: Arc::clone(&self.memory) })
    }

    /// Returns an instance in use.
    async fn made(&self, bytes: usize) -> CachedInstance {
        let permit = self.cache.permit(Admission::InTurn, Self::deadline()).await.unwrap();
        permit.fill(self.block(bytes, bytes), Digest::of(b""))
    }

    fn cached(&self, keys: &[&str]) -> Vec<bool> {
        keys.iter().map(|key| self.cache.contains(&id(key))).collect()
    }
}

#[tokio::test]
async fn the_largest_idle_instance_goes_first() {
    const KIB: usize = 1024;
    let fixture = fixture(100, usize::MAX);
    let at = |seconds| BootTime::from_boot(Duration::from_secs(seconds));
    let mut idle = IdleInstances::new();
    for (key, bytes, since) in [
        ("small-1", 100 * KIB, 0),
        ("small-2", 100 * KIB, 10),
        ("large", 60 * KIB * KIB, 90),
        ("medium", KIB * KIB, 50),
    ] {
        let resident = fixture.made(bytes).await;
        assert!(idle.put(id(key), Idle { resident, since: at(since) }).is_none());
    }
    let mut victims = Vec::new();
    while let Some(victim) = idle.pop_victim(at(100)) {
        victims.push((victim.bytes(), at(100).since(victim.since).as_secs()));
    }
    let expected = [(60 * KIB * KIB, 10), (KIB * KIB, 50), (100 * KIB, 100), (100 * KIB, 90)];
    assert_eq!(victims, expected);
}

#[tokio::test]
async fn an_object_has_one_cached_instance_whatever_their_sizes() {
    let fixture = fixture(100, usize::MAX);
    for bytes in [1000, 1 << 20, 10] {
        let made = fixture.made(bytes).await;
        fixture.cache.put(id("a"), made);
    }
    assert_eq!(fixture.memory.used(), 10, "a new instance replaces the former one");
    assert_eq!(fixture.cache.take(&id("a")).unwrap().instance.memory().bytes, 10);
    assert!(fixture.cache.take(&id("a")).is_none());
    assert_eq!(fixture.memory.used(), 0);
}

#[tokio::test]
async fn an_eviction_ends_at_the_low_watermark_and_spares_what_is_in_use() {
    let fixture = fixture(100, 1000);
    let in_use = fixture.made(300).await;
    for key in ["a", "b", "c", "d", "e", "f"] {
        let made = fixture.made(90).await;
        fixture.cache.put(id(key), made);
    }
    fixture.memory.add(MemoryKind::States, 120);
    assert!(fixture.memory.needs_eviction());
    fixture.cache.evict();
    assert_eq!(fixture.memory.used(), 780);
    assert_eq!(
        fixture.cached(&["a", "b", "c", "d", "e", "f"]),
        [false, false, true, true, true, true],
        "of equal ones the oldest go"
    );
    assert_eq!(fixture.metrics.evicted_for_memory.get(), 2);
    fixture.memory.add(MemoryKind::States, 10_000);
    fixture.cache.evict();
    assert_eq!(fixture.memory.used(), 300 + 120 + 10_000, "what is in use stays");
    drop(in_use);
}

#[tokio::test]
async fn an_instance_that_has_grown_far_is_not_kept() {
    let fixture = fixture(100, usize::MAX);
    let permit = fixture.cache.permit(Admission::InTurn, Fixture::deadline()).await.unwrap();
    let grown = permit.fill(fixture.block(3 << 20, 100 << 10), Digest::of(b""));
    fixture.cache.put(id("a"), grown);
    assert!(!fixture.cache.contains(&id("a")));
    assert_eq!((fixture.memory.used(), fixture.metrics.evicted_for_growth.get()), (0, 1));
    assert_eq!(fixture.metrics.resident_objects.get(), 0, "its place is free");
}

#[tokio::test]
async fn a_large_instance_is_dropped_by_another_thread() {
    let fixture = fixture(1, usize::MAX);
    let made = fixture.made(64 << 20).await;
    fixture.cache.put(id("a"), made);
    // Its place becomes free when it has been dropped.
    let permit = fixture.cache.permit(Admission::InTurn, Fixture::deadline()).await.unwrap();
    assert_eq!((fixture.memory.used(), fixture.metrics.evicted_for_count.get()), (0, 1));
    assert_eq!(fixture.metrics.resident_objects.get(), 1);
    drop(permit);
}

#[tokio::test]
async fn while_memory_is_scarce_permits_are_given_in_order_and_at_once_to_nested_calls() {
    let fixture = fixture(100, 1000);
    let cache = &fixture.cache;
    let permit = |admission| cache.permit(admission, Fixture::deadline());
    assert!(permit(Admission::InTurn).now_or_never().is_some());
    fixture.memory.add(MemoryKind::Buffers, 850);
    let (mut first, mut second) =
        (pin!(permit(Admission::InTurn)), pin!(permit(Admission::InTurn)));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    assert!(permit(Admission::AtOnce).now_or_never().is_some_and(|permit| permit.is_ok()));
    fixture.memory.remove(MemoryKind::Buffers, 1);
    assert!(permit(Admission::InTurn).now_or_never().is_none(), "others were there before");
    assert!(poll!(&mut second).is_pending());
    assert!(poll!(&mut first).is_ready());
    assert!(poll!(&mut second).is_ready());
    assert!(permit(Admission::InTurn).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_refused_shortly_before_the_deadline() {
    let fixture = fixture(100, 1000);
    fixture.memory.add(MemoryKind::Buffers, 850);
    let refused = fixture.cache.permit(Admission::InTurn, Fixture::deadline()).await;
    assert_eq!(refused.map(drop), Err(NoMemory(1000)));
    assert!(fixture.cache.permit(Admission::AtOnce, Fixture::deadline()).await.is_ok());
}
