//! Checks that the revisions in responses of one object never decrease, as must hold without a roll-back.
//!
//! The order is checked twice: by version, which is the object's own order, and by the time of the callers.

use super::{Call, Outcome};

/// An older revision after a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fall {
    /// Call with the newer revision.
    pub before: Call,
    /// Later call with the older revision.
    pub after: Call,
}

/// Checks the calls of one object.
///
/// # Errors
/// The first decrease found.
pub fn check(calls: &[Call]) -> Result<(), Box<Fall>> {
    let mut answered: Vec<_> = calls.iter().filter_map(Answered::of).collect();
    answered.sort_by_key(|answered| answered.version);
    let by_version = answered.chunk_by(|a, b| a.version == b.version);
    let mut newest: Option<&Answered<'_>> = None;
    for same in by_version {
        rises(newest, same)?;
        newest = newest.into_iter().chain(same).max_by_key(|answered| answered.revision);
    }
    answered.sort_by_key(|answered| answered.call.begun);
    check_time(&answered)
}

/// A successful call.
#[derive(Debug, Clone, Copy)]
struct Answered<'a> {
    call: &'a Call,
    version: u64,
    revision: u64,
}

impl<'a> Answered<'a> {
    fn of(call: &'a Call) -> Option<Self> {
        let Outcome::Done(seen) = call.outcome else { return None };
        Some(Self { call, version: seen.version, revision: call.revision? })
    }
}

/// Checks that a call that began after the end of another saw no older revision.
fn check_time(by_begin: &[Answered<'_>]) -> Result<(), Box<Fall>> {
    let mut by_end: Vec<_> = by_begin.iter().collect();
    by_end.sort_by_key(|answered| answered.call.ended);
    let mut ended = by_end.into_iter().peekable();
    let mut newest: Option<&Answered<'_>> = None;
    for later in by_begin {
        while let Some(earlier) = ended.next_if(|one| one.call.ended < later.call.begun) {
            newest = newest.into_iter().chain([earlier]).max_by_key(|one| one.revision);
        }
        rises(newest, std::slice::from_ref(later))?;
    }
    Ok(())
}

fn rises(newest: Option<&Answered<'_>>, later: &[Answered<'_>]) -> Result<(), Box<Fall>> {
    let Some(newest) = newest else { return Ok(()) };
    let older = later.iter().find(|answered| answered.revision < newest.revision);
    older.map_or(Ok(()), |older| {
        Err(Box::new(Fall { before: newest.call.clone(), after: older.call.clone() }))
    })
}
