//! Limits how much of their responses clients may leave unread, per connection and per node, and measures for how long.
//!
//! A response counts from its creation until the operating system has accepted its bytes. HTTP/2 lets a client
//! delay responses indefinitely with flow control, while its connection otherwise looks healthy. [`Outbox`] sends
//! bodies in pieces and reports the age of the oldest one; [`limit`](super::idle_timeout) enforces the timeout.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// Maximum time for which a response waits for room on its connection.
const ROOM_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum size of a response that is sent even if the node has no room, provided that its connection has no other
/// unread response.
const SMALL_BYTES_MAX: usize = 16 * 1024;

/// Limits for unsent bytes.
#[derive(Debug)]
pub(super) struct Budget {
    node: Arc<Semaphore>,
    node_max: usize,
    connection_max: usize,
}

/// Responses sent on one connection. Clones share the state.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    budget: Arc<Budget>,
    own: Arc<Semaphore>,
    pieces: Arc<Pieces>,
}

/// Room for the bytes of a response, or of a part of it.
#[derive(Debug)]
pub(super) struct Room {
    own: Option<OwnedSemaphorePermit>,
    node: Option<OwnedSemaphorePermit>,
}

/// Pieces in transit, in order, each with the time at which it was handed over.
#[derive(Debug, Default)]
struct Pieces(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    since: Vec<(u64, Instant)>,
}

/// Part of a response, until it is sent or dropped.
struct Piece {
    bytes: Bytes,
    number: u64,
    pieces: Arc<Pieces>,
    _room: Option<Room>,
}

impl Budget {
    pub(super) fn new(node_max: usize, connection_max: usize) -> Self {
        Self { node: Arc::new(Semaphore::new(node_max)), node_max, connection_max }
    }

    /// Returns the number of bytes that all clients have not read yet.
    pub(super) fn used(&self) -> usize {
        self.node_max - self.node.available_permits()
    }

    /// Whether most of the node's budget is used.
    fn is_pressed(&self) -> bool {
        self.node.available_permits() < self.node_max / 2
    }
}

impl Outbox {
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        let own = Arc::new(Semaphore::new(budget.connection_max));
        Self { budget: Arc::clone(budget), own, pieces: Arc::default() }
    }

    /// Whether a request may start. Waits up to [`ROOM_TIMEOUT`] if the client has reached its limit for unread bytes.
    pub(super) async fn has_room(&self) -> bool {
        if self.own.available_permits() > 0 {
            return true;
        }
        matches!(timeout(ROOM_TIMEOUT, self.own.acquire()).await, Ok(Ok(_)))
    }

    /// Reserves room for a response. Returns `None` if the client, or all clients together, leave too much unread.
    pub(super) async fn reserve(&self, bytes: usize) -> Option<Room> {
        // A response larger than the whole budget reserves all of it, so it must be the only one.
        let size = bytes.min(self.budget.connection_max).min(self.budget.node_max);
        let size = u32::try_from(size).ok()?;
        let is_alone = self.own.available_permits() == self.budget.connection_max;
        let node = Arc::clone(&self.budget.node).try_acquire_many_owned(size).ok();
        if node.is_none() && !(is_alone && bytes <= SMALL_BYTES_MAX) {
            return None;
        }
        let own = Arc::clone(&self.own);
        let own = match Arc::clone(&own).try_acquire_many_owned(size) {
            Ok(permit) => permit,
            Err(_) => timeout(ROOM_TIMEOUT, own.acquire_many_owned(size)).await.ok()?.ok()?,
        };
        Some(Room { own: Some(own), node })
    }

    /// Hands a piece of a body over, together with its share of the response's room.
    pub(super) fn hand_over(&self, bytes: Bytes, room: Option<&mut Room>) -> Bytes {
        let room = room.map(|room| room.split(bytes.len()));
        let pieces = Arc::clone(&self.pieces);
        let number = pieces.add();
        Bytes::from_owner(Piece { bytes, number, pieces, _room: room })
    }

    /// Returns the time since which the oldest piece waits, if any.
    pub(super) fn oldest_unread(&self) -> Option<Instant> {
        self.pieces.0.lock().since.first().map(|(_, since)| *since)
    }

    /// Whether the node has little room left.
    pub(super) fn is_pressed(&self) -> bool {
        self.budget.is_pressed()
    }
}

impl Room {
    fn split(&mut self, bytes: usize) -> Self {
        Self { own: share(&mut self.own, bytes), node: share(&mut self.node, bytes) }
    }
}

fn share(held: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let held = held.as_mut()?;
    held.split(bytes.min(held.num_permits()))
}

impl Pieces {
    fn add(&self) -> u64 {
        let mut waiting = self.0.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.since.push((number, Instant::now()));
        number
    }

    fn remove(&self, number: u64) {
        let mut waiting = self.0.lock();
        // Usually the first piece or the only one.
        if let Some(index) = waiting.since.iter().position(|(found, _)| *found == number) {
            waiting.since.remove(index);
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.pieces.remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outboxes(node_max: usize, connection_max: usize) -> [Outbox; 2] {
        let budget = Arc::new(Budget::new(node_max, connection_max));
        [Outbox::new(&budget), Outbox::new(&budget)]
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_room_again_when_a_piece_is_sent() {
        let [outbox, _] = outboxes(1000, 100);
        let mut room = outbox.reserve(100).await.unwrap();
        assert!(!outbox.has_room().await);
        assert!(outbox.reserve(1).await.is_none());
        let first = outbox.hand_over(Bytes::from_static(&[0; 60]), Some(&mut room));
        let copy = first.clone();
        drop(first);
        assert!(!outbox.has_room().await, "a copy holds the same bytes");
        drop(copy);
        assert!(outbox.has_room().await);
        assert!(outbox.reserve(61).await.is_none());
        let waiting = outbox.reserve(61);
        let freeing = async {
            tokio::time::sleep(ROOM_TIMEOUT / 2).await;
            // A response that is dropped releases its room.
            drop(room);
        };
        assert!(tokio::join!(waiting, freeing).0.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_node_sends_small_answers_to_those_who_read() {
        let [one, other] = outboxes(1 << 20, 1 << 20);
        let held = one.reserve(1 << 20).await.unwrap();
        assert!(one.is_pressed());
        assert!(one.reserve(1).await.is_none(), "this client does not read its responses");
        assert!(other.reserve(SMALL_BYTES_MAX + 1).await.is_none());
        let small = other.reserve(SMALL_BYTES_MAX).await.unwrap();
        assert!(other.reserve(1).await.is_none(), "this client has an unread response");
        drop((held, small));
        assert!(!other.is_pressed());
        assert!(other.reserve(1 << 20).await.is_some());
    }

    #[tokio::test]
    async fn an_answer_larger_than_all_room_is_sent_alone() {
        let [outbox, _] = outboxes(1000, 100);
        let mut room = outbox.reserve(5000).await.unwrap();
        let pieces: Vec<_> = (0..5)
            .map(|_| outbox.hand_over(Bytes::from_static(&[0; 1000]), Some(&mut room)))
            .collect();
        assert!(outbox.own.available_permits() == 0);
        drop((pieces, room));
        assert_eq!(
            (outbox.own.available_permits(), outbox.budget.node.available_permits()),
            (100, 1000)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_piece_tells_how_long_nothing_was_read() {
        let [outbox, _] = outboxes(1000, 100);
        assert_eq!(outbox.oldest_unread(), None);
        let first = outbox.hand_over(Bytes::from_static(b"1"), None);
        let begun = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        let second = outbox.hand_over(Bytes::from_static(b"2"), None);
        assert_eq!(outbox.oldest_unread(), Some(begun));
        drop(first);
        assert_eq!(outbox.oldest_unread(), Some(begun + Duration::from_secs(3)));
        drop(second);
        assert_eq!(outbox.oldest_unread(), None);
    }
}
