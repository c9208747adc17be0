//! Call chain: the objects that wait for a call, each for the next one.
//!
//! An object runs one call at a time, so objects that wait for each other in a cycle would wait forever. A chain
//! that returns to one of its objects is rejected here. In a cycle across several chains, their age determines
//! which one is rejected.

use std::fmt;

use crate::id::ObjectId;
use crate::limits::CHAIN_LEN_MAX;

/// Age of a chain: its start time, with random bits as a tie-breaker, so that no two are equal.
///
/// The smaller value is older. Clock skew between nodes makes a chain appear younger or older, which only changes
/// which chain is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainAge {
    /// Start time in milliseconds since 1970-01-01 00:00 UTC, by the clock of the node where the chain began.
    pub began_ms: u64,
    /// Random tie-breaker.
    pub nonce: u64,
}

/// Waiting objects, the first caller first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    age: ChainAge,
    objects: Vec<ObjectId>,
}

/// Reason why a chain cannot be extended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object is already in the chain.
    #[error("the call would wait for itself: {0}")]
    Cycle(String),
    /// The chain has reached its maximum length.
    #[error("the chain of calls is too long; expected at most {CHAIN_LEN_MAX} objects: {0}")]
    TooDeep(String),
}

impl Chain {
    /// Starts a chain at `first`, which is about to call another object.
    #[must_use]
    pub fn begin(first: ObjectId, age: ChainAge) -> Self {
        Self { age, objects: vec![first] }
    }

    /// Creates a chain that another node sent. Returns `None` if it is empty or too long.
    #[must_use]
    pub fn of(objects: Vec<ObjectId>, age: ChainAge) -> Option<Self> {
        (1..CHAIN_LEN_MAX).contains(&objects.len()).then_some(Self { age, objects })
    }

    /// Returns the chain extended by one waiting object.
    #[must_use]
    pub fn with(&self, next: ObjectId) -> Self {
        let mut objects = Vec::with_capacity(self.objects.len() + 1);
        objects.extend_from_slice(&self.objects);
        objects.push(next);
        Self { age: self.age, objects }
    }

    /// Checks that the last object may wait for `callee`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn check(&self, callee: &ObjectId) -> Result<(), Error> {
        if self.objects.contains(callee) {
            return Err(Error::Cycle(format!("{self} -> {callee}")));
        }
        if self.objects.len() + 1 > CHAIN_LEN_MAX {
            return Err(Error::TooDeep(format!("{self} -> {callee}")));
        }
        Ok(())
    }

    /// Returns the age.
    #[must_use]
    pub fn age(&self) -> ChainAge {
        self.age
    }

    /// Returns the waiting objects, the first caller first; never empty.
    #[must_use]
    pub fn objects(&self) -> &[ObjectId] {
        &self.objects
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, object) in self.objects.iter().enumerate() {
            let arrow = if index == 0 { "" } else { " -> " };
            write!(f, "{arrow}{object}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: ChainAge = ChainAge { began_ms: 1, nonce: 2 };

    fn id(key: &str) -> ObjectId {
        ObjectId::new("list", key).unwrap()
    }

    #[test]
    fn a_chain_that_comes_back_is_named() {
        let chain = Chain::begin(id("a"), AGE).with(id("b"));
        assert_eq!(chain.check(&id("c")), Ok(()));
        for back in ["a", "b"] {
            let error = chain.check(&id(back)).unwrap_err().to_string();
            let named = format!("list/a -> list/b -> list/{back}");
            assert!(error.ends_with(&named), "{error}");
        }
    }

    #[test]
    fn a_chain_is_bounded() {
        let mut chain = Chain::begin(id("0"), AGE);
        for n in 1..CHAIN_LEN_MAX {
            assert_eq!(Chain::of(chain.objects().to_vec(), AGE), Some(chain.clone()));
            assert_eq!(chain.check(&id(&n.to_string())), Ok(()));
            chain = chain.with(id(&n.to_string()));
        }
        assert!(matches!(chain.check(&id("last")), Err(Error::TooDeep(_))));
        assert_eq!(Chain::of(chain.objects().to_vec(), AGE), None, "no other call can wait for it");
        assert_eq!(Chain::of(Vec::new(), AGE), None);
    }

    #[test]
    fn who_began_first_is_older() {
        let (old, young) = (ChainAge { began_ms: 1, nonce: 9 }, ChainAge { began_ms: 2, nonce: 1 });
        assert!(old < young && young < ChainAge { nonce: 2, ..young });
    }
}
