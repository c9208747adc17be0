//! Object types that the objects of a revision may call and send messages to.
//!
//! A deployment must not give its author more than the author's token: the `call` scopes of the deployer bound the
//! calls of the revision. The configuration of a node can narrow them further, and never widens them. Calls to
//! objects of the own type are always permitted. Pure values.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Caller;
use crate::error::{Error, ErrorCode};
use crate::id::TypeName;

/// Word for every type.
const EVERY: &str = "*";

/// Set of object types. As text it is a list of names, or `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum TypeSet {
    /// Every type, also those that do not exist yet.
    Every,
    /// These types.
    Only(BTreeSet<TypeName>),
}

impl TypeSet {
    /// Returns the set of these types.
    #[must_use]
    pub fn only(types: impl IntoIterator<Item = TypeName>) -> Self {
        Self::Only(types.into_iter().collect())
    }

    /// Returns the types that a revision may call if this caller deploys it: those that the caller may call. An
    /// administrator deploys without a limit, and so does everyone on a node that requires no tokens.
    #[must_use]
    pub fn of_deployer(caller: &Caller) -> Self {
        match caller {
            Caller::Anonymous => Self::Every,
            Caller::Principal(principal) => principal.scopes().callable(),
            Caller::Object(_) => Self::only([]),
        }
    }

    /// Whether the set contains this type.
    #[must_use]
    pub fn contains(&self, type_name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(types) => types.contains(type_name),
        }
    }
}

/// Reads a list of names, or `*`. The error names the text that is not a type.
impl<T: AsRef<str>> TryFrom<Vec<T>> for TypeSet {
    type Error = String;

    fn try_from(words: Vec<T>) -> Result<Self, String> {
        if words.iter().any(|word| word.as_ref() == EVERY) {
            return Ok(Self::Every);
        }
        let names = words.iter().map(|word| TypeName::new(word.as_ref()));
        names.collect::<Result<_, _>>().map(Self::Only).map_err(|error| error.to_string())
    }
}

impl From<TypeSet> for Vec<String> {
    fn from(types: TypeSet) -> Self {
        match types {
            TypeSet::Every => vec![EVERY.to_owned()],
            TypeSet::Only(types) => types.into_iter().map(String::from).collect(),
        }
    }
}

/// The list for people; `-` if it is empty.
impl fmt::Display for TypeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Vec::from(self.clone());
        f.write_str(if words.is_empty() { "-" } else { "" })?;
        f.write_str(&words.join(", "))
    }
}

/// Limit of the outbound calls and messages of one revision on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPolicy {
    /// The type.
    pub type_name: TypeName,
    /// Number of the revision.
    pub revision: u32,
    /// Principal that deployed the revision.
    pub deployed_by: String,
    /// Types that the deployer was permitted to call.
    pub recorded: TypeSet,
    /// Types that the configuration of the node permits; `None` if it sets no limit.
    pub configured: Option<Arc<TypeSet>>,
}

impl CallPolicy {
    /// Checks that objects of the revision may call objects of the type `to`, or send messages to them.
    ///
    /// # Errors
    /// [`ErrorCode::CallNotPermitted`], with the reason and a hint how to permit it.
    pub fn check(&self, to: &str) -> Result<(), Error> {
        let name = &self.type_name;
        if to == name.as_str() {
            return Ok(());
        }
        if !self.recorded.contains(to) {
            let (revision, deployer) = (self.revision, &self.deployed_by);
            let why =
                format!("{deployer} deployed revision {revision} of {name} without the scope");
            let text = format!("objects of {name} may not call or message {to}: {why} call:{to}");
            let hint = format!("deploy {name} with a token that has the scope call:{to}");
            return Err(Error::new(ErrorCode::CallNotPermitted, text).with_hint(hint));
        }
        if self.configured.as_ref().is_some_and(|types| !types.contains(to)) {
            let why = format!("types.{name}.may_call of the node does not contain it");
            let text = format!("objects of {name} may not call or message {to}: {why}");
            let hint = format!("add {to} to types.{name}.may_call on every node");
            return Err(Error::new(ErrorCode::CallNotPermitted, text).with_hint(hint));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Principal;

    fn types(names: &[&str]) -> TypeSet {
        TypeSet::try_from(names.to_vec()).unwrap()
    }

    #[test]
    fn a_deployer_passes_on_what_it_may_call_and_nothing_else() {
        for (scopes, expected) in [
            ("deploy:evil", types(&[])),
            ("deploy:*,metrics", types(&[])),
            ("deploy:evil,call:todo", types(&["todo"])),
            ("call:todo,deploy:evil,call:list", types(&["list", "todo"])),
            ("deploy:evil,call:todo,call:*", TypeSet::Every),
            ("deploy:evil,admin", TypeSet::Every),
        ] {
            let caller = Principal::new("ci", scopes.parse().unwrap()).unwrap().into();
            assert_eq!(TypeSet::of_deployer(&caller), expected, "{scopes}");
        }
        assert_eq!(TypeSet::of_deployer(&Caller::Anonymous), TypeSet::Every);
        let object = Caller::Object("evil/1".parse().unwrap());
        assert_eq!(TypeSet::of_deployer(&object), types(&[]));
    }

    #[test]
    fn a_call_must_be_permitted_by_the_deployment_and_by_the_node() {
        let all = || TypeSet::Every;
        for (recorded, configured, to, reason) in [
            (all(), None, "todo", None),
            (types(&["todo"]), None, "todo", None),
            (types(&["todo"]), None, "todo-list", Some("ci deployed revision 3")),
            (types(&[]), None, "todo", Some("the scope call:todo")),
            (types(&[]), Some(types(&[])), "evil", None),
            (all(), Some(types(&["todo"])), "todo", None),
            (all(), Some(types(&["todo"])), "list", Some("types.evil.may_call")),
            (all(), Some(types(&[])), "todo", Some("types.evil.may_call")),
            (types(&["list"]), Some(all()), "todo", Some("the scope call:todo")),
            (types(&["list"]), Some(types(&["todo"])), "todo", Some("the scope call:todo")),
            (types(&["list"]), Some(types(&["todo"])), "list", Some("types.evil.may_call")),
        ] {
            let policy = CallPolicy {
                type_name: TypeName::new("evil").unwrap(),
                revision: 3,
                deployed_by: "ci".to_owned(),
                recorded,
                configured: configured.map(Arc::new),
            };
            match (policy.check(to), reason) {
                (Ok(()), None) => {}
                (Err(error), Some(reason)) => {
                    assert_eq!(error.code, ErrorCode::CallNotPermitted);
                    let expected = format!("objects of evil may not call or message {to}");
                    assert!(error.message.contains(&expected), "{error}");
                    assert!(error.message.contains(reason), "{error}");
                    assert!(error.hint.is_some_and(|hint| hint.contains(to)));
                }
                (checked, _) => panic!("{policy:?}, {to}: {checked:?}"),
            }
        }
    }

    #[test]
    fn a_set_of_types_is_read_as_it_was_written() {
        for (text, shown) in [(r#"["*"]"#, "*"), (r"[]", "-"), (r#"["list","todo"]"#, "list, todo")]
        {
            let read: TypeSet = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
            assert_eq!(read.to_string(), shown);
        }
        assert_eq!(types(&["todo", "*"]), TypeSet::Every);
        for text in [r#"["Todo"]"#, r#"[""]"#, r#""todo""#, "null"] {
            assert!(serde_json::from_str::<TypeSet>(text).is_err(), "{text}");
        }
    }
}
