//! In-memory table of this session's claims, without I/O. It waits only for a claim's turn.
//!
//! The table has an entry for every claim that the session holds, may hold, or is requesting. Changing a claim at
//! the servers requires its turn, a per-claim mutex. Objects are granted a claim that is already held without a
//! turn. A place in the table is reserved before a claim is requested, so the limit is never exceeded.

use std::collections::HashSet;
use std::collections::hash_map::{Entry as Place, HashMap};
use std::sync::Arc;

use highlander_core::id::ObjectId;
use highlander_core::registry::claims::ClaimKey;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::znode::Mark;

/// State of one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// This session does not hold it.
    Absent,
    /// An attempt with this mark, or an attempt to release its claim, has no outcome yet.
    Unsure(Mark),
    /// This session holds it through the attempt with this mark.
    Held(Mark),
}

/// Outcome of a request for a claim.
pub(crate) enum Grant {
    /// The session holds the claim, and it now covers the object too.
    Granted,
    /// Another task has the turn; try again when the turn is over.
    Wait(OwnedNotified),
    /// The caller has the turn and must request the claim from the servers.
    Turn(Turn),
    /// The table is full.
    Full(usize),
    /// The session has ended.
    Over,
}

/// Outcome of a request to release a claim.
pub(crate) enum Freeing {
    /// The session does not hold it.
    Free,
    /// Objects are claimed under it.
    InUse,
    /// Another task has the turn; try again when the turn is over.
    Wait(OwnedNotified),
    /// The caller has the turn and must release the claim at the servers.
    Turn(Turn),
}

/// The claims of one session.
#[derive(Debug)]
pub(crate) struct Table {
    inner: Mutex<Inner>,
    places_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<ClaimKey, Entry>,
    is_closed: bool,
    /// Logical clock that counts changes of claims, so that "before" and "after" need no wall clock.
    moment: u64,
}

#[derive(Debug)]
struct Entry {
    state: State,
    objects: HashSet<ObjectId>,
    is_busy: bool,
    /// Logical time of the entry's last change.
    since: u64,
    /// Whether the entry had no object at the previous check.
    is_left_over: bool,
    turn_is_over: Arc<Notify>,
}

impl Entry {
    /// Returns an entry without objects, on which no operation is in progress.
    fn idle(state: State, since: u64) -> Self {
        Self {
            state,
            objects: HashSet::new(),
            is_busy: false,
            since,
            is_left_over: false,
            turn_is_over: Arc::default(),
        }
    }

    fn is_held(&self) -> bool {
        matches!(self.state, State::Held(_))
    }

    fn wait(&self) -> OwnedNotified {
        Arc::clone(&self.turn_is_over).notified_owned()
    }
}

impl Table {
    pub(crate) fn new(places_max: usize) -> Self {
        Self { inner: Mutex::default(), places_max }
    }

    /// Grants the claim to an object if the session holds it.
    pub(crate) fn grant(self: &Arc<Self>, key: ClaimKey, id: &ObjectId) -> Grant {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return Grant::Over;
        }
        let (count, since) = (inner.entries.len(), inner.moment);
        match inner.entries.entry(key) {
            Place::Occupied(mut place) => {
                let entry = place.get_mut();
                if entry.is_busy {
                    return Grant::Wait(entry.wait());
                }
                if entry.is_held() {
                    entry.objects.insert(id.clone());
                    return Grant::Granted;
                }
                entry.is_busy = true;
            }
            Place::Vacant(_) if count >= self.places_max => return Grant::Full(count),
            Place::Vacant(place) => {
                place.insert(Entry { is_busy: true, ..Entry::idle(State::Absent, since) });
            }
        }
        Grant::Turn(Turn { table: Arc::clone(self), key })
    }

    /// Removes an object from its claim. The claim stays held.
    pub(crate) fn forget(&self, key: ClaimKey, id: &ObjectId) {
        if let Some(entry) = self.inner.lock().entries.get_mut(&key) {
            entry.objects.remove(id);
        }
    }

    /// Starts to release a claim that covers no object. No object can be added until the release ends.
    pub(crate) fn begin_freeing(self: &Arc<Self>, key: ClaimKey) -> Freeing {
        let mut inner = self.inner.lock();
        let Some(entry) = inner.entries.get_mut(&key) else { return Freeing::Free };
        if !entry.objects.is_empty() {
            return Freeing::InUse;
        }
        if entry.is_busy {
            return Freeing::Wait(entry.wait());
        }
        entry.is_busy = true;
        Freeing::Turn(Turn { table: Arc::clone(self), key })
    }

    /// Returns the number of claims that the session holds or may hold.
    pub(crate) fn count(&self) -> usize {
        self.inner.lock().entries.values().filter(|entry| entry.state != State::Absent).count()
    }

    /// Returns the claims that the session holds.
    pub(crate) fn held(&self) -> Vec<ClaimKey> {
        let inner = self.inner.lock();
        inner.entries.iter().filter(|(_, entry)| entry.is_held()).map(|(key, _)| *key).collect()
    }

    /// Returns the current logical time.
    pub(crate) fn moment(&self) -> u64 {
        self.inner.lock().moment
    }

    /// Removes and returns the claims that were held before `moment` and are missing from the servers' list.
    pub(crate) fn let_go_of_missing(
        &self,
        listed: &HashSet<ClaimKey>,
        moment: u64,
    ) -> Vec<ClaimKey> {
        let mut inner = self.inner.lock();
        let is_missing = |key: &ClaimKey, entry: &Entry| {
            entry.is_held() && !entry.is_busy && entry.since <= moment && !listed.contains(key)
        };
        let lost: Vec<_> = inner
            .entries
            .iter()
            .filter(|(key, entry)| is_missing(key, entry))
            .map(|(key, _)| *key)
            .collect();
        for key in &lost {
            inner.entries.remove(key);
        }
        lost
    }

    /// Returns the listed claims that have no entry.
    pub(crate) fn unknown(&self, listed: &HashSet<ClaimKey>) -> Vec<ClaimKey> {
        let inner = self.inner.lock();
        listed.iter().filter(|key| !inner.entries.contains_key(key)).copied().collect()
    }

    /// Adds a claim that the session holds without an entry.
    pub(crate) fn adopt(&self, key: ClaimKey, mark: Mark) {
        let mut inner = self.inner.lock();
        if !inner.is_closed {
            let since = inner.next_moment();
            // Keep an existing entry: it is newer.
            inner.entries.entry(key).or_insert_with(|| Entry::idle(State::Held(mark), since));
        }
    }

    /// Returns the claims that had no object at the last two checks.
    pub(crate) fn left_over(&self) -> Vec<ClaimKey> {
        let mut left_over = Vec::new();
        for (key, entry) in &mut self.inner.lock().entries {
            let is_idle = entry.objects.is_empty() && !entry.is_busy;
            if is_idle && entry.is_left_over {
                left_over.push(*key);
            }
            entry.is_left_over = is_idle;
        }
        left_over
    }

    /// Clears the table because the session has ended.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        for (_, entry) in std::mem::take(&mut inner.entries) {
            entry.turn_is_over.notify_waiters();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().is_closed
    }
}

impl Inner {
    fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

/// Exclusive right to change one claim at the servers. Dropping it passes the turn to the next task.
#[derive(Debug)]
pub(crate) struct Turn {
    table: Arc<Table>,
    key: ClaimKey,
}

impl Turn {
    pub(crate) fn key(&self) -> ClaimKey {
        self.key
    }

    pub(crate) fn state(&self) -> State {
        self.table.inner.lock().entries.get(&self.key).map_or(State::Absent, |entry| entry.state)
    }

    pub(crate) fn set(&self, state: State) {
        let mut inner = self.table.inner.lock();
        let moment = inner.next_moment();
        if let Some(entry) = inner.entries.get_mut(&self.key) {
            entry.state = state;
            entry.since = moment;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut inner = self.table.inner.lock();
        if let Place::Occupied(mut place) = inner.entries.entry(self.key) {
            place.get_mut().is_busy = false;
            place.get().turn_is_over.notify_waiters();
            if place.get().state == State::Absent {
                place.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests;
