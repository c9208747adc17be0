//! Which snapshots a state reads, and what becomes of fields that came, went or changed.

use highlander_sdk::RestoreError;
use highlander_sdk::prelude::*;
use highlander_sdk::testing::Harness;

/// The first shape.
mod first {
    use highlander_sdk::prelude::*;

    #[derive(ObjectState)]
    pub(super) struct Task {
        pub(super) title: String,
        pub(super) priority: u8,
    }

    #[object]
    impl Task {}
}

/// The second one: `title` was renamed, `priority` is text now, and `owner_name` is gone.
#[derive(ObjectState)]
#[state(version = 2, migrate = migrate)]
struct Task {
    #[state(alias = "title")]
    name: String,
    #[state(default = "normal".to_owned())]
    priority: String,
}

#[object]
impl Task {}

fn migrate(from_version: u32, state: &mut JsonObject) -> Result<(), String> {
    assert_eq!(from_version, 1);
    match state.get("priority").and_then(Json::as_u64) {
        Some(0) => state.insert("priority".to_owned(), json!("high")),
        Some(1..) => state.insert("priority".to_owned(), json!("low")),
        None if state.contains_key("priority") => return Err("what priority is this?".to_owned()),
        None => None,
    };
    Ok(())
}

fn restored<O: Object>(snapshot: Json, schema_version: u32) -> Result<Json, RestoreError> {
    Harness::<O>::restored(snapshot, schema_version).map(|harness| harness.snapshot())
}

#[expect(clippy::panic, reason = "how a test fails")]
fn invalid_snapshot(result: Result<Json, RestoreError>) -> String {
    match result {
        Err(RestoreError::InvalidSnapshot(reason)) => reason,
        other => panic!("not an invalid snapshot: {other:?}"),
    }
}

#[test]
fn a_new_field_takes_its_default() {
    let task = Harness::<first::Task>::restored(json!({ "title": "x" }), 1).unwrap();
    assert_eq!((task.state().title.as_str(), task.state().priority), ("x", 0));
}

#[test]
fn an_unknown_field_of_the_same_version_is_not_dropped_in_silence() {
    let reason = invalid_snapshot(restored::<first::Task>(json!({ "titel": "x" }), 1));
    assert!(reason.contains("unknown field `titel`"), "{reason}");
    let reason = invalid_snapshot(restored::<Task>(json!({ "owner_name": "x" }), 2));
    assert!(reason.contains("unknown field `owner_name`"), "{reason}");
}

#[test]
fn an_older_snapshot_is_migrated_and_loses_what_is_gone() {
    let old = json!({ "title": "x", "priority": 3, "owner_name": "ada" });
    let new = json!({ "name": "x", "priority": "low" });
    assert_eq!(restored::<Task>(old, 1), Ok(new));
}

#[test]
fn a_migration_can_refuse() {
    let old = json!({ "priority": "very" });
    assert_eq!(invalid_snapshot(restored::<Task>(old, 1)), "what priority is this?");
}

#[test]
fn a_newer_snapshot_is_refused() {
    let newer = restored::<first::Task>(json!({ "name": "x" }), 2);
    assert_eq!(newer, Err(RestoreError::NewerSchema { known: 1 }));
}

#[test]
fn garbage_is_refused() {
    for garbage in [json!(null), json!([]), json!({ "title": 7 })] {
        invalid_snapshot(restored::<first::Task>(garbage, 1));
    }
    invalid_snapshot(restored::<Task>(json!([]), 1));
}
