//! Idempotency keys of deployments and roll-backs in a type's record: a repetition with the same key changes nothing.
//!
//! Pure functions, like all changes of a type's record. A type that was removed and is deployed again forgets its
//! keys. Otherwise a deployment with such a key would return a revision of the removed type.

use crate::caller::Caller;
use crate::catalog::deploy::DeployOptions;
use crate::catalog::record::{KeyedRollback, TypeRecord};
use crate::error::{Error, ErrorCode};
use crate::id::Digest;

/// Maximum number of deployment keys per revision, and of roll-back keys per type.
const KEYS_MAX: usize = 16;

/// Parameters of a roll-back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Back {
    /// Revision to make current; by default the one before the present revision.
    pub to: Option<u32>,
    /// Caller that requested it.
    pub by: Caller,
    /// Idempotency key.
    pub key: Option<String>,
}

/// Result of a roll-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledBack {
    /// The revision that is current now, or being rolled out.
    pub revision: u32,
    /// Whether anything changed, apart from the stored keys. False for a repetition.
    pub is_new: bool,
}

impl TypeRecord {
    /// Returns the revision that was deployed with the same idempotency key, whatever its state is now.
    ///
    /// # Errors
    /// [`ErrorCode::IdempotencyKeyReused`] if the key was used for another component or for a roll-back.
    pub fn repeated(&self, digest: Digest, options: &DeployOptions) -> Result<Option<u32>, Error> {
        let Some(key) = options.key.as_ref().filter(|_| self.removed.is_none()) else {
            return Ok(None);
        };
        let name = &self.name;
        if self.rollbacks.iter().any(|made| made.key == *key) {
            let text =
                format!("nothing was deployed: {name} was rolled back with this idempotency key");
            return Err(reused(text));
        }
        match self.deployed_with(key) {
            Some((number, other)) if other != digest => Err(reused(format!(
                "nothing was deployed: revision {number} of {name}, another component, was deployed \
                 with this idempotency key"
            ))),
            found => Ok(found.map(|(number, _)| number)),
        }
    }

    /// Returns the revision that a roll-back with the same idempotency key made current, whatever is current now.
    ///
    /// # Errors
    /// [`ErrorCode::IdempotencyKeyReused`] if the key was used for another revision or for a deployment.
    pub fn rolled_back(&self, back: &Back) -> Result<Option<u32>, Error> {
        let Some(key) = back.key.as_ref().filter(|_| self.removed.is_none()) else {
            return Ok(None);
        };
        let name = &self.name;
        if let Some((number, _)) = self.deployed_with(key) {
            return Err(reused(format!(
                "nothing was rolled back: revision {number} of {name} was deployed with this \
                 idempotency key"
            )));
        }
        match self.rollbacks.iter().find(|made| made.key == *key) {
            Some(made) if made.to != back.to => {
                let to = made.to.map_or("the one before".to_owned(), |to| format!("revision {to}"));
                Err(reused(format!(
                    "nothing was rolled back: {name} was rolled back to {to} with this idempotency \
                     key"
                )))
            }
            found => Ok(found.map(|made| made.revision)),
        }
    }

    fn deployed_with(&self, key: &String) -> Option<(u32, Digest)> {
        let found = self.revisions.iter().rev().find(|entry| entry.keys.contains(key));
        found.map(|entry| (entry.number, entry.digest))
    }

    /// Adds the key of a deployment to the revision `number`.
    pub(super) fn remember(&mut self, number: u32, options: &DeployOptions) {
        let found = self.revisions.iter_mut().find(|entry| entry.number == number);
        if let (Some(entry), Some(key)) = (found, &options.key) {
            entry.keys.push(key.clone());
            keep_newest(&mut entry.keys);
        }
    }

    /// Adds the key of a roll-back that made `revision` current.
    pub(super) fn remember_back(&mut self, revision: u32, back: &Back) {
        if let Some(key) = back.key.clone() {
            self.rollbacks.push(KeyedRollback { key, to: back.to, revision });
            keep_newest(&mut self.rollbacks);
        }
    }

    /// Removes all keys, because the type is deployed anew.
    pub(super) fn forget_keys(&mut self) {
        self.revisions.iter_mut().for_each(|entry| entry.keys.clear());
        self.rollbacks.clear();
    }
}

fn keep_newest<K>(keys: &mut Vec<K>) {
    let excess = keys.len().saturating_sub(KEYS_MAX);
    keys.drain(..excess);
}

fn reused(text: String) -> Error {
    Error::new(ErrorCode::IdempotencyKeyReused, text).with_hint("use another key")
}

#[cfg(test)]
mod tests;
