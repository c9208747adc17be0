//! A list of todos, by their keys, in an order that people choose.

use highlander_sdk::prelude::*;

/// How many todos a list can have.
const TODOS_MAX: usize = 1_000;

/// A list of todos.
#[derive(ObjectState)]
struct List {
    /// What the list is called.
    title: String,
    /// The keys of the todos, in order and each once.
    todos: Vec<String>,
}

#[object]
impl List {
    /// Puts the todo with the key `todo` on the list, at position `at` or at the end, and answers how many there are.
    fn insert_todo(&mut self, todo: String, at: Option<usize>) -> Result<usize, Rejection> {
        if self.position(&todo).is_some() {
            reject!("duplicate-todo", "todo {todo} is on the list already");
        }
        if self.todos.len() >= TODOS_MAX {
            reject!("list-full", "a list has at most {TODOS_MAX} todos");
        }
        let at = at.unwrap_or(self.todos.len());
        if at > self.todos.len() {
            reject!("no-such-position", "{at} is behind the end of the list");
        }
        self.todos.insert(at, todo);
        Ok(self.todos.len())
    }

    /// Takes the todo with the key `todo` off the list.
    fn remove_todo(&mut self, todo: String) -> Result<(), Rejection> {
        let Some(position) = self.position(&todo) else {
            reject!("unknown-todo", "todo {todo} is not on the list");
        };
        self.todos.remove(position);
        Ok(())
    }

    /// The keys of the todos, in order.
    fn todos(&self) -> &[String] {
        &self.todos
    }
}

impl List {
    fn position(&self, todo: &str) -> Option<usize> {
        self.todos.iter().position(|known| known == todo)
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::{List, TODOS_MAX};

    #[test]
    fn todos_are_put_at_the_end_or_where_they_are_wanted() {
        let mut list = Harness::<List>::new();
        assert_eq!(list.call("insert_todo", json!({ "todo": "bread" })), Ok(json!(1)));
        assert_eq!(list.call("insert_todo", json!({ "todo": "milk" })), Ok(json!(2)));
        assert_eq!(list.call("insert_todo", json!({ "todo": "eggs", "at": 0 })), Ok(json!(3)));
        assert_eq!(list.call("todos", ()), Ok(json!(["eggs", "bread", "milk"])));
    }

    #[test]
    fn a_todo_is_on_a_list_once() {
        let mut list = Harness::<List>::restored(json!({ "todos": ["milk"] }), 1).unwrap();
        assert_eq!(
            list.rejection("insert_todo", json!({ "todo": "milk" })),
            Rejection::new("duplicate-todo", "todo milk is on the list already")
        );
        assert_eq!(list.state().todos, ["milk"]);
    }

    #[test]
    fn a_list_has_bounds() {
        let todos: Vec<String> = (0..TODOS_MAX).map(|number| number.to_string()).collect();
        let mut list = Harness::<List>::restored(json!({ "todos": todos }), 1).unwrap();
        assert_eq!(list.rejection("insert_todo", json!({ "todo": "x" })).code(), "list-full");
        let mut list = Harness::<List>::new();
        let far = json!({ "todo": "x", "at": 1 });
        assert_eq!(list.rejection("insert_todo", far).code(), "no-such-position");
    }

    #[test]
    fn what_is_not_on_the_list_cannot_be_removed() {
        let mut list = Harness::<List>::restored(json!({ "todos": ["milk"] }), 1).unwrap();
        list.call("remove_todo", "milk").unwrap();
        assert_eq!(list.rejection("remove_todo", "milk").code(), "unknown-todo");
    }
}
