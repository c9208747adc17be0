//! The count of bytes, its watermarks, and those who wait for them.

use std::pin::pin;
use std::sync::atomic::AtomicU32;
use std::task::{Context, Poll, Wake};

use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

const INSTANCES: MemoryKind = MemoryKind::Instances;

fn total(max: usize) -> Arc<MemoryTotal> {
    Arc::new(MemoryTotal::new(max))
}

#[test]
fn nothing_is_reserved_past_the_total_and_each_kind_is_counted() {
    let total = total(1000);
    assert!(total.try_add(INSTANCES, 600));
    let compiler = total.reserve(MemoryKind::Compiler, 400).unwrap();
    assert!(!total.try_add(INSTANCES, 1));
    assert!(total.reserve(MemoryKind::States, usize::MAX).is_none());
    let by_kind = || MemoryKind::ALL.map(|kind| total.used_by(kind));
    assert_eq!((total.used(), by_kind()), (1000, [600, 400, 0, 0]));
    drop(compiler);
    total.remove(INSTANCES, 600);
    assert_eq!((total.used(), by_kind()), (0, [0; 4]));
}

#[test]
fn use_that_cannot_be_refused_leaves_less_for_others() {
    let total = total(1000);
    total.add(MemoryKind::States, 1500);
    assert!(!total.try_add(INSTANCES, 1));
    total.remove(MemoryKind::States, 600);
    assert!(total.try_add(INSTANCES, 100));
}

#[test]
fn what_is_measured_replaces_the_former_measurement() {
    let total = total(1000);
    total.add(INSTANCES, 100);
    for bytes in [300, 900, 900, 0, 20] {
        total.set(MemoryKind::Buffers, bytes);
        assert_eq!((total.used_by(MemoryKind::Buffers), total.used()), (bytes, 100 + bytes));
    }
}

#[test]
fn memory_is_scarce_from_the_high_watermark_on() {
    for (max, used, is_scarce) in [
        (1000, 849, false),
        (1000, 850, true),
        (1000, 1000, true),
        (usize::MAX, usize::MAX / 2, false),
        (0, 0, true),
    ] {
        let total = total(max);
        total.add(INSTANCES, used);
        assert_eq!(total.is_scarce(), is_scarce, "{used} of {max}");
        assert_eq!(total.needs_eviction(), is_scarce, "{used} of {max}");
    }
}

#[test]
fn an_eviction_goes_down_to_the_low_watermark_or_as_far_as_a_denied_reservation_needs() {
    for (denied, target) in [(None, 800), (Some(200), 800), (Some(600), 400), (Some(5000), 0)] {
        let total = total(1000);
        assert!(total.try_add(INSTANCES, 840));
        if let Some(bytes) = denied {
            assert!(!total.try_add(INSTANCES, bytes));
        }
        assert_eq!(total.needs_eviction(), denied.is_some());
        assert_eq!(total.begin_eviction(), target, "{denied:?}");
        assert!(!total.needs_eviction(), "the denial has been answered");
    }
}

#[test]
fn those_who_wait_are_woken_when_a_watermark_is_crossed_or_a_reservation_is_denied() {
    let total = total(1000);
    let bell = Arc::new(Bell::default());
    let waker = Arc::clone(&bell).into();
    let mut cx = Context::from_waker(&waker);
    {
        let mut needed = pin!(total.eviction_needed());
        assert_eq!(needed.as_mut().poll(&mut cx), Poll::Pending);
        assert!(total.try_add(INSTANCES, 849));
        assert_eq!(bell.rings(), 0, "below the watermark no task is woken");
        assert!(total.try_add(INSTANCES, 1));
        assert_eq!((bell.rings(), needed.as_mut().poll(&mut cx)), (1, Poll::Ready(())));
    }
    {
        let mut room = pin!(total.not_scarce());
        assert_eq!(room.as_mut().poll(&mut cx), Poll::Pending);
        assert_eq!(room.as_mut().poll(&mut cx), Poll::Pending, "it is registered once");
        total.remove(INSTANCES, 1);
        assert_eq!((bell.rings(), room.as_mut().poll(&mut cx)), (2, Poll::Ready(())));
    }
    let mut needed = pin!(total.eviction_needed());
    assert_eq!(needed.as_mut().poll(&mut cx), Poll::Pending);
    assert!(!total.try_add(INSTANCES, 500));
    assert_eq!((bell.rings(), needed.as_mut().poll(&mut cx)), (3, Poll::Ready(())));
}

#[test]
fn a_reservation_waits_until_it_fits() {
    let total = total(1000);
    total.add(INSTANCES, 700);
    let bell = Arc::new(Bell::default());
    let waker = Arc::clone(&bell).into();
    let mut cx = Context::from_waker(&waker);
    let mut reserved = pin!(total.reserved(MemoryKind::Compiler, 400));
    assert!(reserved.as_mut().poll(&mut cx).is_pending());
    assert_eq!(total.begin_eviction(), 600, "it asks for room");
    total.remove(INSTANCES, 99);
    assert!(reserved.as_mut().poll(&mut cx).is_pending());
    total.remove(INSTANCES, 1);
    assert_eq!(bell.rings(), 2);
    let Poll::Ready(reservation) = reserved.as_mut().poll(&mut cx) else { panic!("it fits") };
    assert_eq!(total.used_by(MemoryKind::Compiler), 400);
    drop(reservation);
    assert_eq!(total.used(), 600);
}
