//! A list of todos, by their keys, in an order that people choose, which is changed by those who may.

use std::collections::BTreeSet;

use highlander_sdk::prelude::*;

/// How many todos a list can have.
const TODOS_MAX: usize = 1_000;
/// How many users can be named.
const USERS_MAX: usize = 100;

/// A list of todos.
#[derive(ObjectState)]
struct List {
    /// What the list is called.
    title: String,
    /// The keys of the todos, in order and each once.
    todos: Vec<String>,
    /// Who may change the list; empty for everybody.
    allowed_users: BTreeSet<String>,
}

// Replacing the whole state would get round the users that are allowed.
#[object(put = false)]
impl List {
    /// Puts the todo with the key `todo` on the list, at position `at` or at the end, and answers how many there are.
    fn insert_todo(
        &mut self,
        ctx: &Context,
        todo: String,
        at: Option<usize>,
    ) -> Result<usize, Rejection> {
        self.check_user(ctx)?;
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
    fn remove_todo(&mut self, ctx: &Context, todo: String) -> Result<(), Rejection> {
        self.check_user(ctx)?;
        let Some(position) = self.position(&todo) else {
            reject!("unknown-todo", "todo {todo} is not on the list");
        };
        self.todos.remove(position);
        Ok(())
    }

    /// Lets a user change the list. The first one who does this for a list has to name themselves.
    fn allow_user(&mut self, ctx: &Context, user: String) -> Result<(), Rejection> {
        self.check_user(ctx)?;
        if self.allowed_users.is_empty() && ctx.caller().principal() != Some(&user) {
            reject!("locked-out", "{} would not be allowed any more", ctx.caller());
        }
        if self.allowed_users.len() >= USERS_MAX {
            reject!("too-many-users", "a list names at most {USERS_MAX} users");
        }
        self.allowed_users.insert(user);
        Ok(())
    }

    /// The keys of the todos, in order.
    fn todos(&self) -> &[String] {
        &self.todos
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
        assert_eq!(list.call("put", json!({})), Err(CallError::UnknownHandler));
    }

    #[test]
    fn what_is_not_on_the_list_cannot_be_removed() {
        let mut list = Harness::<List>::restored(json!({ "todos": ["milk"] }), 1).unwrap();
        list.call("remove_todo", "milk").unwrap();
        assert_eq!(list.rejection("remove_todo", "milk").code(), "unknown-todo");
    }
}
