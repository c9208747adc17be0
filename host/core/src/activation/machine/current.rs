//! Newest state of a live object, committed or not, and its changes that subscribers have not received yet.
//!
//! Invariants: each change raises the version by one, and the version falls only to the committed one. A change is
//! published once, after its commit.

use bytes::Bytes;

use super::commit::Commit;
use super::step::Step;
use crate::activation::protocol::{Action, Change, Now};
use crate::effects::Event;
use crate::events::ShownState;
use crate::events::frame::stand;
use crate::store::record::{Record, State, Version};

/// Newest state, with its unpublished changes.
#[derive(Debug)]
pub(super) struct Current {
    version: Version,
    /// State; `None` if the object does not exist.
    state: Option<State>,
    /// Changes not yet published to subscribers.
    unpublished: Vec<Change>,
}

impl Current {
    /// Returns the state contained in a record.
    pub(super) fn loaded(record: Option<&Record>) -> Self {
        Self {
            version: record.map_or(0, |record| record.version),
            state: record.and_then(|record| record.state.clone()),
            unpublished: Vec::new(),
        }
    }

    /// Continues from the record that was found; earlier commits stay to be published.
    pub(super) fn reload(&mut self, record: Option<&Record>) {
        let unpublished = std::mem::take(&mut self.unpublished);
        *self = Self { unpublished, ..Self::loaded(record) };
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Makes this state a new version, to be published to subscribers with these events.
    pub(super) fn change(&mut self, state: Option<State>, events: Vec<Event>, now: Now<'_>) {
        self.state = state;
        self.version += 1;
        if now.is_watched {
            let (version, state) = (self.version, self.state.clone());
            self.unpublished.push(Change { version, events, state });
        }
    }

    /// Makes bookkeeping outside the state a separate version.
    pub(super) fn bump(&mut self, now: Now<'_>) {
        let state = self.state.take();
        self.change(state, Vec::new(), now);
    }

    /// Returns to the committed version. The state is that of the discarded version until the record is reloaded.
    pub(super) fn discard_uncommitted(&mut self, commit: &Commit) {
        self.unpublished.retain(|change| change.version <= commit.version());
        self.version = commit.version();
    }

    /// Publishes the committed changes.
    pub(super) fn publish_committed<T>(&mut self, commit: &Commit, step: &mut Step<'_, T>) {
        let is_committed = |change: &mut Change| change.version <= commit.version();
        for change in self.unpublished.extract_if(.., is_committed) {
            step.push(Action::Publish(change));
        }
    }

    /// Returns the object's current position for new subscribers.
    pub(super) fn snapshot_event(&self, publish_state: bool) -> Bytes {
        let state = match self.state() {
            // It never existed.
            None if self.version == 0 => ShownState::Hidden,
            state => State::shown(state, publish_state),
        };
        stand(self.version, &state)
    }
}
