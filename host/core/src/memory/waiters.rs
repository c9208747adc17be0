//! Tasks that wait for a change of a counter, which they read themselves.
//!
//! A waiter registers before it reads the counter, and is woken after the counter has changed: no change is missed. A
//! change without waiters costs one atomic load.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use parking_lot::Mutex;

/// Waiting tasks.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Whether `wakers` may hold a waker.
    is_awaited: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Waiters {
    /// Wakes all tasks that wait; each reads the counter again.
    pub(super) fn wake(&self) {
        if !self.is_awaited.load(Ordering::SeqCst) {
            return;
        }
        let mut wakers = self.wakers.lock();
        self.is_awaited.store(false, Ordering::SeqCst);
        let woken = std::mem::take(&mut *wakers);
        drop(wakers);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Waits until the condition holds; it is evaluated now, and after each [`wake`](Self::wake).
    pub(super) async fn until(&self, mut is_met: impl FnMut() -> bool) {
        poll_fn(|cx| {
            if is_met() {
                return Poll::Ready(());
            }
            self.register(cx.waker());
            if is_met() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn register(&self, waker: &Waker) {
        let mut wakers = self.wakers.lock();
        // A task that is polled again for another reason is in the list already.
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
        self.is_awaited.store(true, Ordering::SeqCst);
    }
}
