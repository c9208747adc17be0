use highlander_sdk::prelude::*;

#[data]
enum Color {
    Blue,
}

/// A single task.
#[derive(ObjectState)]
struct Todo {
    title: String,
    completed: bool,
    #[state(default = Color::Blue)]
    color: Color,
}

#[object]
impl Todo {
    /// Marks the task as done.
    fn complete(&mut self) { self.completed = true; }
    /// Whether the task is done.
    fn is_done(&self) -> bool { self.completed }
}

fn main() {}
