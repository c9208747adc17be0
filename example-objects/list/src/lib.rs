//! A list of todos, by their keys, in an order that users choose. It restricts changes to allowed users.
//!
//! A todo may be on several lists. Therefore a list does not contain todos, but calls them. A list that is shared with
//! a user sends that user a message. Subscribers of a list receive its state after every change.

use std::collections::BTreeSet;

use highlander_sdk::prelude::*;
use todo::Todo;
use user::User;

/// Maximum number of todos on a list.
const TODOS_MAX: usize = 1_000;
/// Maximum number of allowed users.
const USERS_MAX: usize = 100;

/// A list of todos.
#[derive(ObjectState)]
struct List {
    /// Title of the list.
    title: String,
    /// Keys of the todos, in order, without duplicates.
    todos: Vec<String>,
    /// Users who may change the list. If empty, everyone may.
    allowed_users: BTreeSet<String>,
}

/// A todo as an entry of a list.
#[data]
struct Entry {
    /// Key of the todo.
    todo: String,
    /// Title of the todo.
    title: String,
    /// Whether the todo is done.
    completed: bool,
}

// A `put` would bypass the check of the allowed users.
#[object(put = false, publish_state = true)]
impl List {
    /// Inserts the todo with the key `todo` at position `at`, or at the end, and returns the number of todos.
    fn insert_todo(
        &mut self,
        ctx: &Context,
        todo: String,
        at: Option<usize>,
    ) -> Result<usize, Rejection> {
        self.check_user(ctx)?;
        if self.position(&todo).is_some() {
            reject!("duplicate-todo", "todo {todo} is already on the list");
        }
        if self.todos.len() >= TODOS_MAX {
            reject!("list-full", "a list can have at most {TODOS_MAX} todos");
        }
        let at = at.unwrap_or(self.todos.len());
        if at > self.todos.len() {
            reject!("no-such-position", "position {at} is past the end of the list");
        }
        self.todos.insert(at, todo);
        Ok(self.todos.len())
    }

    /// Removes the todo with the key `todo` from the list.
    fn remove_todo(&mut self, ctx: &Context, todo: String) -> Result<(), Rejection> {
        self.check_user(ctx)?;
        let Some(position) = self.position(&todo) else {
            reject!("unknown-todo", "todo {todo} is not on the list");
        };
        self.todos.remove(position);
        Ok(())
    }

    /// Allows a user to change the list, and notifies the user. The first allowed user must be the caller.
    fn allow_user(&mut self, ctx: &Context, user: String) -> Result<(), Rejection> {
        self.check_user(ctx)?;
        if self.allowed_users.is_empty() && ctx.caller().principal() != Some(&user) {
            reject!("locked-out", "{} would lose access; allow the caller first", ctx.caller());
        }
        if self.allowed_users.len() >= USERS_MAX {
            reject!("too-many-users", "a list can be shared with at most {USERS_MAX} users");
        }
        if self.allowed_users.insert(user.clone()) {
            User::send_to(user).list_shared()?;
        }
        Ok(())
    }

    /// Marks a todo of the list as done.
    fn complete(&mut self, ctx: &Context, todo: String) -> Result<(), Rejection> {
        self.check_user(ctx)?;
        if self.position(&todo).is_none() {
            reject!("unknown-todo", "todo {todo} is not on the list");
        }
        Ok(Todo::at(todo).complete()?)
    }

    /// Returns the keys of the todos, in order.
    fn todos(&self) -> &[String] {
        &self.todos
    }

    /// Returns the todos, in order. Calls each todo for its state.
    fn overview(&self) -> Result<Vec<Entry>, Rejection> {
        let entry = |key: &String| {
            let Todo { title, completed, .. } = Todo::at(key).get()?;
            Ok(Entry { todo: key.clone(), title, completed })
        };
        self.todos.iter().map(entry).collect()
    }
}

impl List {
    fn check_user(&self, ctx: &Context) -> Result<(), Rejection> {
        let is_allowed = |user: &str| self.allowed_users.contains(user);
        if self.allowed_users.is_empty() || ctx.caller().principal().is_some_and(is_allowed) {
            return Ok(());
        }
        reject!("not-allowed", "{} may not change {}", ctx.caller(), ctx.id());
    }

    fn position(&self, todo: &str) -> Option<usize> {
        self.todos.iter().position(|known| known == todo)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::{Harness, Message};

    use super::{List, TODOS_MAX, Todo};

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
            Rejection::new("duplicate-todo", "todo milk is already on the list")
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
    fn a_list_that_names_users_is_changed_by_them_alone() {
        let mut list = Harness::<List>::new();
        assert_eq!(list.rejection("allow_user", "ada").code(), "locked-out");
        list.set_caller(Caller::Principal("ada".to_owned()));
        list.call("allow_user", "ada").unwrap();
        list.call("insert_todo", json!({ "todo": "milk" })).unwrap();
        for other in [
            Caller::Anonymous,
            Caller::Principal("bob".to_owned()),
            Caller::Object(ObjectId::new("user", "ada")),
        ] {
            list.set_caller(other);
            assert_eq!(list.rejection("remove_todo", "milk").code(), "not-allowed");
            assert_eq!(list.rejection("allow_user", "bob").code(), "not-allowed");
            assert_eq!(list.call("todos", ()), Ok(json!(["milk"])));
        }
        assert_eq!(list.call("put", json!({})), Err(HandlerError::UnknownHandler));
    }

    #[test]
    fn what_is_not_on_the_list_cannot_be_removed() {
        let mut list = Harness::<List>::restored(json!({ "todos": ["milk"] }), 1).unwrap();
        list.call("remove_todo", "milk").unwrap();
        assert_eq!(list.rejection("remove_todo", "milk").code(), "unknown-todo");
    }

    #[test]
    fn a_user_is_told_once_that_a_list_is_shared() {
        let mut list = Harness::<List>::with_key("home");
        list.set_caller(Caller::Principal("ada".to_owned()));
        for user in ["ada", "bob", "bob"] {
            list.call("allow_user", user).unwrap();
        }
        let told = |user: &str| Message::new(user, "list_shared", ());
        assert_eq!(list.take_messages(), [told("user/ada"), told("user/bob")]);
    }

    #[test]
    fn an_overview_asks_each_todo() {
        let mut list = Harness::<List>::restored(json!({ "todos": ["1", "2"] }), 1).unwrap();
        list.answer("todo", "1", "get", |_| Ok(json!({ "title": "bread", "completed": true })));
        // A later revision may return more fields.
        list.answer("todo", "2", "get", |_| Ok(json!({ "title": "milk", "notes": ["fresh"] })));
        let overview = json!([
            { "todo": "1", "title": "bread", "completed": true },
            { "todo": "2", "title": "milk", "completed": false },
        ]);
        assert_eq!(list.call("overview", ()), Ok(overview));
        list.answer("todo", "2", "get", |_| {
            Err::<(), _>(CallError::Unavailable("todo/2 takes no call now".to_owned()))
        });
        assert_eq!(list.rejection("overview", ()).code(), "callee-unavailable");
    }

    #[test]
    fn completing_a_todo_of_the_list_completes_the_todo() {
        let mut list = Harness::<List>::restored(json!({ "todos": ["1"] }), 1).unwrap();
        let todo = Rc::new(RefCell::new(Harness::<Todo>::with_key("1")));
        let called = Rc::clone(&todo);
        list.answer("todo", "1", "complete", move |argument| {
            Ok(called.borrow_mut().call("complete", argument)?)
        });
        list.call("complete", "1").unwrap();
        assert!(todo.borrow().state().completed);
        assert_eq!(list.rejection("complete", "2").code(), "unknown-todo");
    }
}
