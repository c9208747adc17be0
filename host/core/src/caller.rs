//! Callers and their permissions: [`scopes`] maps the scopes of a token to rights, [`tokens`] maps a token to a
//! principal, and [`call_policy`] limits the calls of objects.
//!
//! Pure values: the HTTP edge authenticates callers, and objects decide how to treat them.

pub mod call_policy;
pub mod scopes;
pub mod tokens;

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorCode};
use crate::id::ObjectId;
use scopes::{Permission, Scopes};

/// Maximum length of a principal's name.
const NAME_BYTES_MAX: usize = 64;
/// Name displayed for anonymous callers; reserved for them.
const ANONYMOUS: &str = "anonymous";

/// Identity of a caller. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Caller {
    /// Unauthenticated caller, on a node that accepts them.
    #[default]
    Anonymous,
    /// Principal with a token.
    Principal(Arc<Principal>),
    /// Another object.
    Object(ObjectId),
}

/// Named principal with its scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    scopes: Scopes,
}

impl Principal {
    /// Creates a principal. Returns `None` if the name is not 1 to 64 of `A-Z`, `a-z`, `0-9`, `-`, `_`, `.` and
    /// `@`, or is `anonymous`.
    #[must_use]
    pub fn new(name: &str, scopes: Scopes) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain);
        (is_name && name != ANONYMOUS).then(|| Self { name: name.to_owned(), scopes })
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the scopes.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }
}

impl Caller {
    /// Checks that the caller has a right. Anonymous callers have all rights, because the edge accepts them only
    /// if authentication is disabled.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`] with the missing scope.
    pub fn check(&self, right: Permission<'_>) -> Result<(), Error> {
        let may = match self {
            Self::Anonymous => true,
            Self::Principal(principal) => principal.scopes.grant(right),
            // The node that runs the object has checked the policy of its revision.
            Self::Object(_) => matches!(right, Permission::Call(_)),
        };
        if may {
            return Ok(());
        }
        let wanted = right.to_string();
        let text = format!("{self} may not make this request: it requires the scope {wanted}");
        Err(Error::new(ErrorCode::Forbidden, text).with_hint(
            "use a token with this scope, or add the scope to this token in the token file",
        ))
    }
}

impl From<Principal> for Caller {
    fn from(principal: Principal) -> Self {
        Self::Principal(Arc::new(principal))
    }
}

/// Name of the caller for people.
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
        assert_eq!(object.check(Permission::Call("todo")), Ok(()));
        for right in
            [Permission::Deploy("todo"), Permission::Operate("todo"), Permission::Administer]
        {
            assert_eq!(object.check(right).unwrap_err().code, ErrorCode::Forbidden);
        }
    }

    #[test]
    fn a_refusal_names_the_caller_and_the_scope() {
        let caller = Caller::from(Principal::new("ci", "deploy:todo".parse().unwrap()).unwrap());
        let error = caller.check(Permission::Call("todo")).unwrap_err();
        assert!(error.message.contains("ci may not") && error.message.contains("call:todo"));
        assert_eq!(Caller::Anonymous.check(Permission::Administer), Ok(()));
    }
}
