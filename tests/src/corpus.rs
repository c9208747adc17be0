//! The corpus of hostile components and hostile requests: each entry is data, with one line on its purpose and the
//! outcome that must hold.
//!
//! To add an entry, add a block to one of the files in `tests/corpus`; the head of each file explains its bodies:
//!
//! - `components.txt`: whole components and core modules as text, all of which are refused.
//! - `descriptions.txt`: objects that do harm when they are uploaded.
//! - `objects.txt`: objects that do harm when they are called.
//! - `calls.txt`: calls of the guests in `tests/guests`.
//! - `requests.txt`: requests over HTTP/1.
//!
//! Entries that text cannot express are in [`binary`], [`http2`] and [`websocket`]. The system test `corpus` runs all
//! entries against one node, and prints each actual outcome that was not expected.

mod answer;
mod binary;
mod blocks;
pub mod compile_bomb;
mod component;
mod exchange;
mod http2;
mod object;
mod requests;
mod websocket;

pub use self::answer::Answer;
pub use self::component::{Expected, HostileComponent, Outcome, Step};
pub use self::requests::HostileRequest;

/// Returns all hostile components.
#[must_use]
pub fn components() -> Vec<HostileComponent> {
    let mut all = component::texts();
    all.extend(binary::components());
    all
}

/// Returns all hostile requests.
#[must_use]
pub fn requests() -> Vec<HostileRequest> {
    let mut all = requests::http1();
    all.extend(http2::requests());
    all.extend(websocket::requests());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_corpus_is_large_and_explains_each_entry_in_one_line() {
        let components: Vec<_> =
            components().iter().map(|entry| (entry.name, entry.purpose)).collect();
        let requests: Vec<_> = requests().iter().map(|entry| (entry.name, entry.purpose)).collect();
        assert!(components.len() >= 100, "{} components", components.len());
        assert!(requests.len() >= 40, "{} requests", requests.len());
        for entries in [components, requests] {
            let names: BTreeSet<_> = entries.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), entries.len(), "two entries have the same name");
            for (name, purpose) in entries {
                assert!(purpose.ends_with('.') && !purpose.contains('\n'), "{name}: {purpose:?}");
            }
        }
    }
}
