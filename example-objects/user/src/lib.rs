//! A user: a name, the keys of the user's lists, and received notices.
//!
//! Lists and reminders notify users by message, so that they need not wait for a reply.

use std::collections::BTreeSet;

use highlander_sdk::prelude::*;

/// Maximum number of lists of a user.
const LISTS_MAX: usize = 1_000;
/// Maximum number of notices that are kept: the last ones.
const NOTICES_MAX: usize = 50;

/// A user of lists and reminders.
#[derive(Debug, ObjectState)]
pub struct User {
    /// Name of the user.
    pub name: String,
    /// Keys of the lists that the user knows.
    pub lists: BTreeSet<String>,
    /// Received notices, oldest first.
    pub notices: Vec<Notice>,
}

/// A notice to a user.
#[data]
pub struct Notice {
    /// Object that sent the notice.
    pub by: String,
    /// Text of the notice.
    pub text: String,
    /// Time of the notice, in milliseconds since 1970-01-01 00:00 UTC.
    pub at_ms: u64,
}

#[object]
impl User {
    /// Changes the name of the user.
    fn rename(&mut self, name: String) -> Result<(), Rejection> {
        let name = name.trim();
        if name.is_empty() {
            reject!("empty-name", "the name is empty");
        }
        self.name = name.to_owned();
        Ok(())
    }

    /// Adds the list with the key `list` to the user's lists.
    fn add_list(&mut self, list: String) -> Result<(), Rejection> {
        if let Some(known) = self.lists.get(&list) {
            reject!("known-list", "the user already has list {known}");
        }
        self.learn(list)
    }

    /// Removes the list with the key `list` from the user's lists.
    fn remove_list(&mut self, list: String) -> Result<(), Rejection> {
        if !self.lists.remove(&list) {
            reject!("unknown-list", "the user does not have list {list}");
        }
        Ok(())
    }

    /// Whether the user knows the list with the key `list`.
    fn knows_list(&self, list: String) -> bool {
        self.lists.contains(&list)
    }

    /// Adds the calling list to the user's lists, because it is shared with the user.
    fn list_shared(&mut self, ctx: &Context) -> Result<(), Rejection> {
        match ctx.caller() {
            Caller::Object(list) if list.object_type() == "list" => {
                self.learn(list.key().to_owned())
            }
            other => reject!(
                "not-a-list",
                "{other} is not a list; only a list can report that it is shared"
            ),
        }
    }

    /// Adds a notice from another object.
    fn notice(&mut self, ctx: &Context, text: String) -> Result<(), Rejection> {
        let Caller::Object(by) = ctx.caller() else {
            reject!(
                "not-an-object",
                "{} is not an object; only objects can send notices",
                ctx.caller()
            );
        };
        if self.notices.len() >= NOTICES_MAX {
            self.notices.remove(0);
        }
        self.notices.push(Notice { by: by.to_string(), text, at_ms: ctx.now_ms() });
        Ok(())
    }
}

impl User {
    fn learn(&mut self, list: String) -> Result<(), Rejection> {
        if self.lists.len() >= LISTS_MAX && !self.lists.contains(&list) {
            reject!("too-many-lists", "a user can have at most {LISTS_MAX} lists");
        }
        self.lists.insert(list);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::{NOTICES_MAX, User};

    #[test]
    fn a_user_has_a_name() {
        let mut user = Harness::<User>::with_key("ada");
        user.call("rename", " Ada ").unwrap();
        assert_eq!(user.state().name, "Ada");
        assert_eq!(user.rejection("rename", "  ").code(), "empty-name");
        assert_eq!(user.state().name, "Ada");
    }

    #[test]
    fn a_user_knows_lists() {
        let mut user = Harness::<User>::new();
        user.call("add_list", "work").unwrap();
        user.call("add_list", "home").unwrap();
        assert_eq!(user.rejection("add_list", "home").code(), "known-list");
        assert_eq!(
            user.snapshot(),
            json!({ "name": "", "lists": ["home", "work"], "notices": [] })
        );
        assert_eq!(user.call("knows_list", "work"), Ok(json!(true)));
    }

    #[test]
    fn a_user_forgets_lists() {
        let mut user = Harness::<User>::restored(json!({ "lists": ["home"] }), 1).unwrap();
        user.call("remove_list", "home").unwrap();
        assert_eq!(user.rejection("remove_list", "home").code(), "unknown-list");
    }

    #[test]
    fn a_list_tells_that_it_is_shared() {
        let mut user = Harness::<User>::with_key("ada");
        let home = ObjectId::new("list", "home");
        user.deliver(&home, "list_shared", ()).unwrap();
        user.deliver(&home, "list_shared", ()).unwrap();
        assert_eq!(user.snapshot()["lists"], json!(["home"]));
        user.set_caller(Caller::Principal("bob".to_owned()));
        assert_eq!(user.rejection("list_shared", ()).code(), "not-a-list");
        let todo = ObjectId::new("todo", "42");
        assert!(user.deliver(&todo, "list_shared", ()).is_err());
        assert_eq!(user.snapshot()["lists"], json!(["home"]));
    }

    #[test]
    fn the_last_notices_are_kept() {
        let mut user = Harness::<User>::with_key("ada");
        user.set_now_ms(7);
        for number in 0..=NOTICES_MAX {
            let tea = ObjectId::new("reminder", "tea");
            user.deliver(&tea, "notice", number.to_string()).unwrap();
        }
        let notices = &user.state().notices;
        assert_eq!((notices.len(), &*notices[0].text), (NOTICES_MAX, "1"));
        assert_eq!((&*notices[0].by, notices[0].at_ms), ("reminder/tea", 7));
        assert_eq!(user.rejection("notice", "spam").code(), "not-an-object");
    }
}
