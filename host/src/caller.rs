//! Who makes a call, and what they may do.
//!
//! [`scopes`] says which rights a token gives, [`tokens`] who a token speaks for. Pure: where a token comes from is the
//! edge's, and what an object makes of its caller is the object's.

pub mod scopes;
pub mod tokens;

use std::fmt;
use std::sync::Arc;

use crate::error::{Code, Error};
use crate::id::ObjectId;
use scopes::{Right, Scopes};

/// Longest name of a principal.
const NAME_BYTES_MAX: usize = 64;
/// What callers without a name are called, and nobody else.
const ANONYMOUS: &str = "anonymous";

/// Who makes a call. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Caller {
    /// Nobody in particular: the node takes calls from everybody.
    #[default]
    Anonymous,
    /// Somebody with a token.
    Principal(Arc<Principal>),
    /// Another object.
    Object(ObjectId),
}

/// Somebody with a name, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    scopes: Scopes,
}

impl Principal {
    /// A principal of this name. None where the name is not 1 to 64 of `A-Z`, `a-z`, `0-9`, `-`, `_`, `.` and `@`, or
    /// is `anonymous`.
    #[must_use]
    pub fn new(name: &str, scopes: Scopes) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain);
        (is_name && name != ANONYMOUS).then(|| Self { name: name.to_owned(), scopes })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What they may do.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }
}

impl Caller {
    /// Refuses what the caller may not do. Where nobody has to say who they are, everybody may do everything: whether
    /// that is so is for the edge to know.
    ///
    /// # Errors
    /// [`Code::Forbidden`] with the scope that is missing.
    pub fn check(&self, right: Right<'_>) -> Result<(), Error> {
        let may = match self {
            Self::Anonymous => true,
            Self::Principal(principal) => principal.scopes.give(right),
            Self::Object(_) => matches!(right, Right::Call(_)),
        };
        if may {
            return Ok(());
        }
        let wanted = right.to_string();
        let text = format!("{self} may not do this: it takes the scope {wanted}");
        Err(Error::new(Code::Forbidden, text).with_hint(
            "use a token that has it, or have the line of this one changed in the file of tokens",
        ))
    }
}

impl From<Principal> for Caller {
    fn from(principal: Principal) -> Self {
        Self::Principal(Arc::new(principal))
    }
}

/// The name that people know the caller by.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str(ANONYMOUS),
            Self::Principal(principal) => f.write_str(&principal.name),
            Self::Object(id) => f.write_str(id.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_grammar() {
        let longest = "n".repeat(NAME_BYTES_MAX);
        for good in ["ci", "Ada.Lovelace@example.org", "node_1-a", &longest] {
            let caller = Caller::from(Principal::new(good, Scopes::default()).unwrap());
            assert_eq!(caller.to_string(), good);
        }
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        for bad in ["", "anonymous", "a b", "a/b", "a,b", "\u{e4}", "a\n", &long] {
            assert_eq!(Principal::new(bad, Scopes::default()), None, "{bad:?}");
        }
    }

    #[test]
    fn objects_may_call_and_nothing_else() {
        let object = Caller::Object("list/home".parse().unwrap());
        assert_eq!(object.check(Right::Call("todo")), Ok(()));
        for right in [Right::Deploy("todo"), Right::Operate("todo"), Right::Administer] {
            assert_eq!(object.check(right).unwrap_err().code, Code::Forbidden);
        }
    }

    #[test]
    fn a_refusal_names_the_caller_and_the_scope() {
        let caller = Caller::from(Principal::new("ci", "deploy:todo".parse().unwrap()).unwrap());
        let error = caller.check(Right::Call("todo")).unwrap_err();
        assert!(error.message.contains("ci may not") && error.message.contains("call:todo"));
        assert_eq!(Caller::Anonymous.check(Right::Administer), Ok(()));
    }
}
