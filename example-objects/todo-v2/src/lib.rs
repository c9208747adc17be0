//! The second revision of the todo: a different state behind the same interface.
//!
//! Its state has the progress in percent instead of a boolean, and notes. It defines its own `get` and `put`,
//! because existing callers use the old schema.

use highlander_sdk::prelude::*;

/// Color of a task.
#[data]
#[derive(Copy, Default)]
enum Color {
    /// Urgent.
    Red,
    /// Someone is waiting for it.
    Yellow,
    /// Can wait.
    Green,
    /// Not decided yet.
    #[default]
    Blue,
}

/// Progress of a completed task, in percent.
const DONE: u8 = 100;

/// A single task.
#[derive(ObjectState)]
#[state(version = 2, migrate_from = TodoV1)]
struct Todo {
    /// Title of the task.
    title: String,
    /// Progress in percent.
    completed: u8,
    /// Color of the task.
    color: Color,
    /// Notes, oldest first.
    notes: Vec<String>,
}

/// State of the first revision, unchanged.
#[derive(ObjectState)]
struct TodoV1 {
    title: String,
    completed: bool,
    #[state(default = Color::Blue)]
    color: Color,
}

impl From<TodoV1> for Todo {
    fn from(old: TodoV1) -> Todo {
        let completed = if old.completed { DONE } else { 0 };
        Todo { title: old.title, completed, color: old.color, notes: Vec::new() }
    }
}

/// A task as callers see it.
#[data]
#[derive(Default)]
#[serde(default)]
struct Shown {
    /// Title of the task.
    title: String,
    /// Whether the task is done.
    completed: bool,
    /// Color of the task.
    color: Color,
    /// Notes, oldest first.
    notes: Vec<String>,
}

#[object(get = false, put = false)]
impl Todo {
    /// Returns the whole task.
    fn get(&self) -> Shown {
        Shown {
            title: self.title.clone(),
            completed: self.is_done(),
            color: self.color,
            notes: self.notes.clone(),
        }
    }

    /// Replaces the whole task. Missing fields take their defaults.
    fn put(&mut self, todo: Shown) {
        let completed = match (todo.completed, self.completed) {
            (true, _) => DONE,
            (false, DONE) => 0,
            // A task that `get` shows as not done keeps its progress.
            (false, percent) => percent,
        };
        *self = Todo { title: todo.title, completed, color: todo.color, notes: todo.notes };
    }

    /// Marks the task as done.
    fn complete(&mut self) {
        self.completed = DONE;
    }

    /// Changes the title of the task.
    fn rename(&mut self, title: String) {
        self.title = title;
    }

    /// Sets the progress in percent.
    fn advance(&mut self, percent: u8) -> Result<(), Rejection> {
        if percent > DONE {
            reject!("too-much", "{percent} percent is too much; expected at most 100");
        }
        self.completed = percent;
        Ok(())
    }

    /// Adds a note.
    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Whether the task is done.
    fn is_done(&self) -> bool {
        self.completed == DONE
    }

    /// Returns the progress in percent.
    fn progress(&self) -> u8 {
        self.completed
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::RestoreError;
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::Todo;

    #[test]
    fn a_state_of_the_first_revision_is_migrated() {
        for (completed, percent) in [(true, 100), (false, 0)] {
            let old = json!({ "title": "buy milk", "completed": completed, "color": "red" });
            let todo = Harness::<Todo>::restored(old, 1).unwrap();
            let new =
                json!({ "title": "buy milk", "completed": percent, "color": "red", "notes": [] });
            assert_eq!(todo.snapshot(), new);
        }
    }

    #[test]
    fn callers_of_the_first_revision_see_what_they_saw() {
        let old = json!({ "title": "buy milk", "completed": true });
        let mut todo = Harness::<Todo>::restored(old, 1).unwrap();
        assert_eq!(todo.call("is_done", ()), Ok(json!(true)));
        let shown = json!({ "title": "buy milk", "completed": true, "color": "blue", "notes": [] });
        assert_eq!(todo.call("get", ()), Ok(shown));
        todo.call("put", json!({ "title": "buy bread" })).unwrap();
        assert_eq!((todo.state().title.as_str(), todo.state().completed), ("buy bread", 0));
    }

    #[test]
    fn a_state_that_is_of_another_shape_than_its_version_is_refused() {
        for (state, version) in [
            (json!({ "completed": 100 }), 1),
            (json!({ "completed": true }), 2),
            (json!({ "notes": [] }), 1),
        ] {
            let refused = Harness::<Todo>::restored(&state, version).err();
            assert!(matches!(refused, Some(RestoreError::InvalidSnapshot(_))), "{state}");
        }
    }

    #[test]
    fn putting_what_was_shown_changes_nothing() {
        let mut todo = Harness::<Todo>::new();
        todo.call("note", "at the corner").unwrap();
        for percent in [0, 60, 100] {
            todo.call("advance", percent).unwrap();
            let before = todo.snapshot();
            let shown = todo.call("get", ()).unwrap();
            todo.call("put", shown).unwrap();
            assert_eq!(todo.snapshot(), before);
        }
    }

    #[test]
    fn a_task_is_done_at_a_hundred_percent() {
        let mut todo = Harness::<Todo>::new();
        todo.call("advance", 99).unwrap();
        assert_eq!(todo.call("is_done", ()), Ok(json!(false)));
        assert_eq!(todo.rejection("advance", 101).code(), "too-much");
        todo.call("complete", ()).unwrap();
        assert_eq!(todo.call("progress", ()), Ok(json!(100)));
    }
}
