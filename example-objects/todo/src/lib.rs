//! A todo: a state with defaults, three handlers, and the generated `get` and `put`.
//!
//! Its types are public, so that other objects can call it with types: `client/` is this crate as a library.

use highlander_sdk::prelude::*;

/// Color of a task.
#[data]
#[derive(Copy)]
pub enum Color {
    /// Urgent.
    Red,
    /// Someone is waiting for it.
    Yellow,
    /// Can wait.
    Green,
    /// Not decided yet.
    Blue,
}

/// A single task.
#[derive(Debug, ObjectState)]
pub struct Todo {
    /// Title of the task.
    pub title: String,
    /// Whether the task is done.
    pub completed: bool,
    /// Color of the task.
    #[state(default = Color::Blue)]
    pub color: Color,
}

#[object]
impl Todo {
    /// Marks the task as done.
    fn complete(&mut self) {
        self.completed = true;
    }

    /// Changes the title of the task.
    fn rename(&mut self, title: String) {
        self.title = title;
    }

    /// Whether the task is done.
    fn is_done(&self) -> bool {
        self.completed
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::Todo;

    #[test]
    fn a_new_todo_has_the_defaults() {
        let mut todo = Harness::<Todo>::new();
        let state = json!({ "title": "", "completed": false, "color": "blue" });
        assert_eq!(todo.call("get", ()), Ok(state));
    }

    #[test]
    fn a_completed_todo_is_done() {
        let mut todo = Harness::<Todo>::new();
        assert_eq!(todo.call("is_done", ()), Ok(json!(false)));
        assert_eq!(todo.call("complete", ()), Ok(json!(null)));
        assert_eq!(todo.call("is_done", ()), Ok(json!(true)));
    }

    #[test]
    fn a_todo_is_renamed() {
        let mut todo = Harness::<Todo>::new();
        todo.call("rename", "buy bread").unwrap();
        assert_eq!(todo.state().title, "buy bread");
    }

    #[test]
    fn put_replaces_everything() {
        let mut todo = Harness::<Todo>::new();
        todo.call("complete", ()).unwrap();
        todo.call("put", json!({ "title": "buy milk", "color": "red" })).unwrap();
        let state = json!({ "title": "buy milk", "completed": false, "color": "red" });
        assert_eq!(todo.snapshot(), state);
    }

    #[test]
    fn put_refuses_what_a_todo_is_not() {
        let mut todo = Harness::<Todo>::new();
        for state in [json!({ "color": "pink" }), json!({ "titel": "buy milk" }), json!(7)] {
            let error = todo.call("put", &state).unwrap_err();
            assert!(matches!(error, HandlerError::InvalidArgument(_)), "{state}: {error}");
        }
        assert_eq!(todo.version(), 0);
    }
}
