//! Components that nothing asks for any more: from when on, and what makes them safe to remove.
//!
//! Pure, as all changes of a type's record. Whether an object still names a component is not known here; whoever
//! removes it looks first, and a component that was removed is never stored under the same name again.

use std::collections::BTreeSet;

use super::record::{RevisionEntry, TypeRecord};
use crate::id::Digest;

/// What is kept although no object runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest revisions, for rolling back to them.
    pub kept_count: usize,
    /// A component that was not asked for until then may be removed after so many milliseconds.
    pub after_ms: u64,
}

impl TypeRecord {
    /// Notes which revisions nothing asks for any more, and which it does again; whether there are any such news.
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

    /// The components that may be removed, if no object names them.
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

    /// An object names the component, or may: it is looked for again after as long a time.
    pub fn found_in_use(&mut self, digest: Digest, now_ms: u64) {
        for entry in self.of_mut(digest).filter(|entry| entry.retired_at_ms.is_some()) {
            entry.retired_at_ms = Some(now_ms);
        }
    }

    /// No object names the component: from now on it is not there any more.
    pub fn collect(&mut self, digest: Digest) {
        for entry in self.of_mut(digest) {
            entry.is_collected = true;
            // What can never run again need not say how it is called, and a type that is deployed every day must not
            // grow without bound.
            entry.description.documentation.clear();
            entry.description.handlers.clear();
            entry.description.state = serde_json::Value::Bool(true);
        }
    }

    /// It is asked for again, whatever comes next.
    pub(super) fn recall(&mut self, digest: Digest) {
        for entry in self.of_mut(digest) {
            entry.retired_at_ms = None;
        }
    }

    /// Which of the blobs of this component is the one to use: none that was removed before.
    #[must_use]
    pub fn copy_of(&self, digest: Digest) -> u32 {
        let newest = self.revisions.iter().rev().find(|entry| entry.digest == digest);
        newest.map_or(0, |entry| entry.copy + u32::from(entry.is_collected))
    }

    /// The components that are needed, or that one may go back to.
    fn kept(&self, retention: Retention) -> BTreeSet<Digest> {
        let mut newest = Vec::new();
        let good = |entry: &&RevisionEntry| {
            let is_there = self.removed.is_none() && self.has(entry.number);
            is_there && entry.taken_back.is_none() && !entry.is_collected
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
