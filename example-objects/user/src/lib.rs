//! A user: a name, and the lists that the user may see, by their keys.

use std::collections::BTreeSet;

use highlander_sdk::prelude::*;

/// How many lists a user can know.
const LISTS_MAX: usize = 1_000;

/// Somebody who has lists.
#[derive(ObjectState)]
struct User {
    /// What the user is called.
    name: String,
    /// The keys of the lists that the user knows.
    lists: BTreeSet<String>,
}

#[object]
impl User {
    /// Gives the user another name.
    fn rename(&mut self, name: String) -> Result<(), Rejection> {
        let name = name.trim();
        if name.is_empty() {
            reject!("empty-name", "a user has a name");
        }
        self.name = name.to_owned();
        Ok(())
    }

    /// Lets the user know the list with the key `list`.
    fn add_list(&mut self, list: String) -> Result<(), Rejection> {
        if self.lists.len() >= LISTS_MAX {
            reject!("too-many-lists", "a user knows at most {LISTS_MAX} lists");
        }
        if let Some(known) = self.lists.get(&list) {
            reject!("known-list", "the user knows list {known} already");
        }
        self.lists.insert(list);
        Ok(())
    }

    /// Lets the user forget the list with the key `list`.
    fn remove_list(&mut self, list: String) -> Result<(), Rejection> {
        if !self.lists.remove(&list) {
            reject!("unknown-list", "the user does not know list {list}");
        }
        Ok(())
    }

    /// Whether the user knows the list with the key `list`.
    fn knows_list(&self, list: String) -> bool {
        self.lists.contains(&list)
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::User;

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
        assert_eq!(user.snapshot(), json!({ "name": "", "lists": ["home", "work"] }));
        assert_eq!(user.call("knows_list", "work"), Ok(json!(true)));
    }

    #[test]
    fn a_user_forgets_lists() {
        let mut user = Harness::<User>::restored(json!({ "lists": ["home"] }), 1).unwrap();
        user.call("remove_list", "home").unwrap();
        assert_eq!(user.rejection("remove_list", "home").code(), "unknown-list");
    }
}
