//! Garbage collection of components: when a component becomes unused, and when it may be removed.
//!
//! Pure functions on the type's record. The caller must check that no object names a component before it removes
//! it. A removed component is never stored under the same blob name again.

use std::collections::BTreeSet;

use crate::catalog::record::{RevisionEntry, TypeRecord};
use crate::id::Digest;

/// Retention of components that no object runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Number of the newest revisions to keep for roll-backs.
    pub kept_count: usize,
    /// Time in milliseconds for which a component must be unused before it may be removed.
    pub after_ms: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { kept_count: 10, after_ms: 24 * 60 * 60 * 1000 }
    }
}

impl TypeRecord {
    /// Updates which revisions are unused, and returns whether anything changed.
    pub fn retire(&mut self, retention: Retention, now_ms: u64) -> bool {
        let kept = self.kept(retention);
        let mut has_news = false;
        for entry in self.revisions.iter_mut().filter(|entry| !entry.is_collected) {
            let is_retired = !kept.contains(&entry.digest);
            if entry.retired_at_ms.is_some() != is_retired {
                entry.retired_at_ms = is_retired.then_some(now_ms);
                has_news = true;
            }
        }
        has_news
    }

    /// Returns the components that may be removed if no object names them.
    #[must_use]
    pub fn overdue(&self, retention: Retention, now_ms: u64) -> BTreeSet<Digest> {
        let kept = self.kept(retention);
        let is_recent = |entry: &&RevisionEntry| {
            entry.retired_at_ms.is_none_or(|at| now_ms.saturating_sub(at) < retention.after_ms)
        };
        let present = || self.revisions.iter().filter(|entry| !entry.is_collected);
        let recent: BTreeSet<_> = present().filter(is_recent).map(|entry| entry.digest).collect();
        let digests = present().map(|entry| entry.digest);
        digests.filter(|digest| !kept.contains(digest) && !recent.contains(digest)).collect()
    }

    /// Restarts the retention time of a component that an object names, or may name.
    pub fn found_in_use(&mut self, digest: Digest, now_ms: u64) {
        for entry in self.of_mut(digest).filter(|entry| entry.retired_at_ms.is_some()) {
            entry.retired_at_ms = Some(now_ms);
        }
    }

    /// Marks a component as collected, since no object names it.
    pub fn collect(&mut self, digest: Digest) {
        for entry in self.of_mut(digest) {
            entry.is_collected = true;
            // A revision that can never run again needs no handler descriptions, and the record of a type that is
            // deployed every day must not grow without bound.
            entry.description.documentation.clear();
            entry.description.handlers.clear();
            entry.description.state = serde_json::Value::Bool(true);
        }
    }

    /// Marks a component as used again.
    pub(super) fn recall(&mut self, digest: Digest) {
        for entry in self.of_mut(digest) {
            entry.retired_at_ms = None;
        }
    }

    /// Returns the blob number to use for this component: one that no removed blob had.
    #[must_use]
    pub fn copy_of(&self, digest: Digest) -> u32 {
        let newest = self.revisions.iter().rev().find(|entry| entry.digest == digest);
        newest.map_or(0, |entry| entry.copy + u32::from(entry.is_collected))
    }

    /// Returns the components that are needed or are kept for roll-backs.
    fn kept(&self, retention: Retention) -> BTreeSet<Digest> {
        let mut newest = Vec::new();
        let good = |entry: &&RevisionEntry| {
            let is_there = self.removed.is_none() && self.has(entry.number);
            is_there && entry.rolled_back.is_none() && !entry.is_collected
        };
        for entry in self.revisions.iter().rev().filter(good) {
            if newest.len() < retention.kept_count && !newest.contains(&entry.digest) {
                newest.push(entry.digest);
            }
        }
        newest.into_iter().chain(self.needed().map(|entry| entry.digest)).collect()
    }

    fn of_mut(&mut self, digest: Digest) -> impl Iterator<Item = &mut RevisionEntry> {
        let is_it = move |entry: &&mut RevisionEntry| entry.digest == digest && !entry.is_collected;
        self.revisions.iter_mut().filter(is_it)
    }
}

#[cfg(test)]
mod tests;
