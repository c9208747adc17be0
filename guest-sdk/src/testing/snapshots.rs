//! Stored state of an object under test: restores it, and returns it.

use serde::Serialize;

use super::Harness;
use super::panics::{fail, to_json};
use crate::Json;
use crate::caller::ObjectId;
use crate::object::Object;
use crate::reading;
use crate::restore_error::RestoreError;

impl<O: Object> Harness<O> {
    /// Creates an object from a stored snapshot that was written with `schema_version`.
    ///
    /// A snapshot of an older version is migrated, as a node does before the object's first call.
    ///
    /// # Errors
    ///
    /// Returns the error that the host would receive, if this code cannot read the snapshot.
    ///
    /// # Panics
    ///
    /// Panics if a migration panics.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct CounterV1 { value: u32 }
    /// # #[derive(ObjectState)] #[state(version = 2, migrate_from = CounterV1)] struct Counter { total: u64 }
    /// # impl From<CounterV1> for Counter {
    /// #     fn from(old: CounterV1) -> Counter { Counter { total: old.value.into() } }
    /// # }
    /// # #[object] impl Counter {}
    /// let counter = Harness::<Counter>::restored(json!({ "value": 7 }), 1).unwrap();
    /// assert_eq!(counter.state().total, 7);
    /// assert_eq!(counter.snapshot(), json!({ "total": 7 }));
    /// ```
    pub fn restored(
        snapshot: impl Serialize,
        schema_version: u32,
    ) -> Result<Harness<O>, RestoreError> {
        Harness::restored_bytes(&to_json(&snapshot), schema_version)
    }

    /// Creates an object from the bytes of a stored snapshot that was written with `schema_version`: for states
    /// that are not JSON.
    ///
    /// # Errors
    ///
    /// Same as [`restored`](Harness::restored).
    ///
    /// # Panics
    ///
    /// Same as [`restored`](Harness::restored).
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter {}
    /// let counter = Harness::<Counter>::restored_bytes(br#"{"value":7}"#, 1).unwrap();
    /// assert_eq!(counter.state().value, 7);
    /// ```
    pub fn restored_bytes(
        snapshot: &[u8],
        schema_version: u32,
    ) -> Result<Harness<O>, RestoreError> {
        Harness::open(ObjectId::new(O::TYPE_NAME, "test"), Some(snapshot), schema_version)
    }

    /// Returns the state as callers see it, as JSON. It is stored in the same form, unless it has a codec.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter {}
    /// assert_eq!(Harness::<Counter>::new().snapshot(), json!({ "value": 0 }));
    /// ```
    #[track_caller]
    pub fn snapshot(&self) -> Json {
        match reading::read(&to_json(self.state())) {
            Ok(snapshot) => snapshot,
            Err(error) => fail(&format!("the state cannot be read as `Json`: {error}")),
        }
    }

    /// Returns the state as it is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use highlander_sdk::prelude::*;
    /// # use highlander_sdk::testing::Harness;
    /// # #[derive(ObjectState)] struct Counter { value: u64 }
    /// # #[object] impl Counter {}
    /// assert_eq!(Harness::<Counter>::new().snapshot_bytes(), br#"{"value":0}"#);
    /// ```
    pub fn snapshot_bytes(&self) -> &[u8] {
        &self.snapshot
    }
}
