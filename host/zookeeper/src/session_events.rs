//! Ordered queue of the session events that the node has not consumed yet.
//!
//! An event that is already queued is not added again, so a slow consumer cannot grow the queue without bound.

use std::collections::VecDeque;

use highlander_core::registry::SessionEvent;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Maximum number of queued type changes; above it they become [`SessionEvent::TypesUncertain`].
const TYPES_MAX: usize = 256;

/// Event queue of one session.
#[derive(Debug, Default)]
pub(super) struct SessionEvents {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<SessionEvent>,
    is_closed: bool,
}

impl SessionEvents {
    /// Adds an event, unless it is already queued or the session has ended.
    pub(super) fn push(&self, notice: SessionEvent) {
        let mut queue = self.queue.lock();
        let is_type = |notice: &SessionEvent| matches!(notice, SessionEvent::TypeChanged(_));
        let is_covered = is_type(&notice) && queue.waiting.contains(&SessionEvent::TypesUncertain);
        if queue.is_closed || is_covered || queue.waiting.contains(&notice) {
            return;
        }
        queue.waiting.push_back(notice);
        if queue.waiting.iter().filter(|notice| is_type(notice)).count() > TYPES_MAX {
            queue.waiting.retain(|notice| !is_type(notice));
            if !queue.waiting.contains(&SessionEvent::TypesUncertain) {
                queue.waiting.push_back(SessionEvent::TypesUncertain);
            }
        }
        self.arrived.notify_one();
    }

    /// Adds the last event.
    pub(super) fn close(&self) {
        let mut queue = self.queue.lock();
        if !queue.is_closed {
            queue.is_closed = true;
            queue.waiting.push_back(SessionEvent::SessionOver);
            self.arrived.notify_one();
        }
    }

    /// Waits for the next event. Supports a single consumer. Cancel safe.
    pub(super) async fn next(&self) -> SessionEvent {
        loop {
            let arrived = self.arrived.notified();
            if let Some(notice) = self.queue.lock().waiting.pop_front() {
                return notice;
            }
            arrived.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_core::id::TypeName;

    fn changed(number: usize) -> SessionEvent {
        SessionEvent::TypeChanged(TypeName::new(&format!("t{number}")).unwrap())
    }

    #[tokio::test]
    async fn the_end_is_said_once_and_last() {
        let notices = SessionEvents::default();
        notices.push(changed(1));
        notices.close();
        notices.close();
        notices.push(changed(2));
        assert_eq!(notices.next().await, changed(1));
        assert_eq!(notices.next().await, SessionEvent::SessionOver);
        assert!(notices.queue.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn what_waits_is_not_said_twice_and_does_not_grow_without_bound() {
        let notices = SessionEvents::default();
        for number in 0..=TYPES_MAX {
            notices.push(changed(number));
            notices.push(changed(number));
        }
        assert_eq!(notices.next().await, SessionEvent::TypesUncertain);
        assert!(notices.queue.lock().waiting.is_empty());
    }
}
