//! Snapshots of supported and unsupported versions, and the migration of added, removed and changed fields.

use highlander_sdk::prelude::*;
use highlander_sdk::testing::Harness;
use highlander_sdk::{Description, RestoreError};

/// First version of the schema.
#[derive(ObjectState)]
struct TaskV1 {
    title: String,
    priority: u8,
}

/// Second version: `title` is renamed to `name`, and `owner` was added without a new version.
#[derive(ObjectState)]
#[state(version = 2, migrate_from = TaskV1)]
struct TaskV2 {
    name: String,
    priority: u8,
    #[state(default = "nobody".to_owned())]
    owner: String,
}

impl From<TaskV1> for TaskV2 {
    fn from(old: TaskV1) -> TaskV2 {
        TaskV2 { name: old.title, priority: old.priority, ..TaskV2::default() }
    }
}

/// Third version: `priority` is a word, which not every number has.
#[derive(ObjectState)]
#[state(version = 3, migrate_from = TaskV2)]
struct Task {
    name: String,
    #[state(default = "normal".to_owned())]
    priority: String,
    #[state(alias = "responsible")]
    owner: String,
}

impl TryFrom<TaskV2> for Task {
    type Error = String;

    fn try_from(old: TaskV2) -> Result<Task, String> {
        let priority = match old.priority {
            0 => "normal",
            1 => "high",
            9 => return Err("priority 9 was never valid".to_owned()),
            other => return Err(format!("priority {other} does not exist")),
        };
        Ok(Task { name: old.name, priority: priority.to_owned(), owner: old.owner })
    }
}

#[object]
impl Task {}

/// The first version, when it was the newest.
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

/// Code that no longer reads the first version, and code that panics during a migration.
mod later {
    use highlander_sdk::prelude::*;

    #[derive(ObjectState)]
    #[state(version = 2)]
    pub(super) struct TaskV2 {
        name: String,
    }

    #[derive(ObjectState)]
    #[state(version = 3, migrate_from = TaskV2)]
    pub(super) struct Task {
        name: String,
    }

    impl From<TaskV2> for Task {
        fn from(old: TaskV2) -> Task {
            assert!(!old.name.is_empty(), "a task must have a name");
            Task { name: old.name }
        }
    }

    #[object]
    impl Task {}
}

fn restored<O: Object>(snapshot: Json, schema_version: u32) -> Result<Json, RestoreError> {
    Harness::<O>::restored(snapshot, schema_version).map(|harness| harness.snapshot())
}

#[track_caller]
fn check_migrated(schema_version: u32, old: Json, new: &Json) {
    assert_eq!(restored::<Task>(old, schema_version).as_ref(), Ok(new));
}

#[track_caller]
#[expect(clippy::panic, reason = "a panic is how a test fails")]
fn check_invalid<O: Object>(schema_version: u32, snapshot: Json, why: &str) {
    match restored::<O>(snapshot, schema_version) {
        Err(RestoreError::InvalidSnapshot(reason)) => {
            assert!(reason.contains(why), "{why:?} in {reason:?}");
        }
        other => panic!("not an invalid snapshot: {other:?}"),
    }
}

#[test]
fn a_new_field_takes_its_default_without_a_new_version() {
    let task = Harness::<first::Task>::restored(json!({ "title": "x" }), 1).unwrap();
    assert_eq!((task.state().title.as_str(), task.state().priority), ("x", 0));
    let today = json!({ "name": "x", "priority": "normal", "owner": "" });
    check_migrated(3, json!({ "name": "x" }), &today);
}

#[test]
fn a_state_goes_from_version_to_version_up_to_todays() {
    let today = json!({ "name": "x", "priority": "high", "owner": "nobody" });
    check_migrated(1, json!({ "title": "x", "priority": 1 }), &today);
    check_migrated(2, json!({ "name": "x", "priority": 1 }), &today);
    check_migrated(3, today.clone(), &today);
    assert_eq!((Task::OLDEST_VERSION, Task::SCHEMA_VERSION), (1, 3));
}

#[test]
fn an_older_struct_reads_with_its_own_defaults() {
    let today = json!({ "name": "", "priority": "normal", "owner": "nobody" });
    check_migrated(1, json!({}), &today);
    check_migrated(2, json!({}), &today);
}

#[test]
fn a_migrated_object_goes_on_as_any_other() {
    let mut task =
        Harness::<Task>::restored(TaskV1 { title: "x".to_owned(), priority: 0 }, 1).unwrap();
    assert_eq!(task.state().name, "x");
    task.call("put", json!({ "name": "y", "responsible": "ada" })).unwrap();
    let state = json!({ "name": "y", "priority": "normal", "owner": "ada" });
    assert_eq!(task.call("get", ()), Ok(state));
}

#[test]
fn an_unknown_field_is_not_dropped_in_silence_in_any_version() {
    check_invalid::<first::Task>(1, json!({ "titel": "x" }), "unknown field `titel`");
    check_invalid::<Task>(1, json!({ "name": "x" }), "unknown field `name`");
    check_invalid::<Task>(2, json!({ "title": "x" }), "unknown field `title`");
    check_invalid::<Task>(3, json!({ "title": "x" }), "unknown field `title`");
}

#[test]
fn a_migration_can_refuse() {
    let reason = "from schema version 2 to 3: priority 9 was never valid";
    check_invalid::<Task>(1, json!({ "priority": 9 }), reason);
    check_invalid::<Task>(2, json!({ "priority": 9 }), reason);
}

#[test]
#[should_panic(expected = "a task must have a name")]
fn a_panic_in_a_migration_is_seen_by_the_test() {
    let _ = restored::<later::Task>(json!({ "name": "" }), 2);
}

#[test]
fn a_newer_snapshot_is_refused() {
    for known in [json!({ "title": "x" }), json!({ "name": "x" }), json!(null)] {
        let newer = restored::<first::Task>(known, 2);
        assert_eq!(newer, Err(RestoreError::NewerSchema { known: 1 }));
    }
}

#[test]
fn a_version_that_no_struct_stands_for_is_refused_with_those_that_are_read() {
    let found = "its schema version is 1, but this code reads versions 2 to 3";
    check_invalid::<later::Task>(1, json!({ "name": "x" }), found);
    let found = "its schema version is 0, but this code reads only version 1";
    check_invalid::<first::Task>(0, json!({ "title": "x" }), found);
}

#[test]
fn garbage_is_refused() {
    for garbage in [json!(null), json!([]), json!({ "title": 7 })] {
        check_invalid::<first::Task>(1, garbage.clone(), "");
        check_invalid::<Task>(1, garbage, "");
    }
}

#[test]
fn whoever_writes_a_state_is_told_of_its_aliases_and_who_reads_it_is_not() {
    let description = Description::of::<Task>();
    let handler =
        |name: &str| description.handlers.iter().find(|handler| handler.name == name).unwrap();
    let schema = |text: &str| serde_json::from_str::<Json>(text).unwrap();
    let put = schema(&handler("put").argument_schema);
    assert_eq!(put["properties"]["responsible"]["type"], "string");
    assert_eq!(put["properties"]["responsible"]["deprecated"], true);
    let get = schema(&handler("get").reply_schema);
    assert_eq!(get["properties"]["responsible"], Json::Null);
}
