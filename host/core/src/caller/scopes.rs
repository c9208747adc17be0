//! Scopes of tokens and rights required by requests, with one mapping between them: [`Scope::grants`].
//! The HTTP edge defines the right that each request requires.

use std::fmt;
use std::str::FromStr;

use super::call_policy::TypeSet;
use crate::id::TypeName;

/// Syntax of scopes, for messages.
pub const WORDS: &str = "call:TYPE, deploy:TYPE, admin or metrics, with * for every type";

/// Right that a request requires, with the type as named in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission<'a> {
    /// Call objects of a type.
    Call(&'a str),
    /// Deploy a component of a type.
    Deploy(&'a str),
    /// Deploy a component whose type is not known yet.
    DeploySome,
    /// Deactivate objects of a type, or lift their quarantine.
    Operate(&'a str),
    /// View a type and the location of its objects.
    See(&'a str),
    /// View some types; each one is checked separately.
    SeeSome,
    /// View the nodes, and drain them.
    Administer,
    /// Read the metrics.
    Measure,
}

/// Types that a scope covers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TypePattern {
    Every,
    One(TypeName),
}

impl TypePattern {
    fn covers(&self, type_name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::One(name) => name.as_str() == type_name,
        }
    }
}

/// Single scope.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Call(TypePattern),
    Deploy(TypePattern),
    Admin,
    Metrics,
}

impl Scope {
    fn grants(&self, right: Permission<'_>) -> bool {
        match (self, right) {
            (Self::Call(reach), Permission::Call(name) | Permission::See(name))
            | (
                Self::Deploy(reach),
                Permission::Deploy(name) | Permission::Operate(name) | Permission::See(name),
            ) => reach.covers(name),
            (Self::Call(_) | Self::Deploy(_), Permission::SeeSome)
            | (Self::Deploy(_), Permission::DeploySome)
            | (
                Self::Admin,
                Permission::Operate(_)
                | Permission::See(_)
                | Permission::SeeSome
                | Permission::Administer
                | Permission::Measure,
            )
            | (Self::Metrics, Permission::Measure) => true,
            _ => false,
        }
    }
}

/// Scopes of a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Whether one of the scopes grants this right.
    #[must_use]
    pub fn grant(&self, right: Permission<'_>) -> bool {
        self.0.iter().any(|scope| scope.grants(right))
    }

    /// Returns the types that a component may call if the holder of these scopes deploys it.
    pub(super) fn callable(&self) -> TypeSet {
        if self.0.contains(&Scope::Admin) || self.0.contains(&Scope::Call(TypePattern::Every)) {
            return TypeSet::Every;
        }
        TypeSet::only(self.0.iter().filter_map(|scope| match scope {
            Scope::Call(TypePattern::One(name)) => Some(name.clone()),
            _ => None,
        }))
    }
}

/// Parses comma-separated scopes. The error does not repeat the text, which may be a misplaced token.
impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scopes: Option<Vec<_>> = text.split(',').map(read).collect();
        scopes.map(Self).ok_or_else(|| format!("one of its scopes is not valid; expected {WORDS}"))
    }
}

fn read(word: &str) -> Option<Scope> {
    let reach = |name: &str| match name {
        "*" => Some(TypePattern::Every),
        name => TypeName::new(name).ok().map(TypePattern::One),
    };
    match word.split_once(':') {
        None if word == "admin" => Some(Scope::Admin),
        None if word == "metrics" => Some(Scope::Metrics),
        Some(("call", name)) => reach(name).map(Scope::Call),
        Some(("deploy", name)) => reach(name).map(Scope::Deploy),
        _ => None,
    }
}

/// Comma-separated, as they are parsed.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, scope) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let (word, reach) = match scope {
                Scope::Call(reach) => ("call:", reach),
                Scope::Deploy(reach) => ("deploy:", reach),
                Scope::Admin => {
                    write!(f, "{comma}admin")?;
                    continue;
                }
                Scope::Metrics => {
                    write!(f, "{comma}metrics")?;
                    continue;
                }
            };
            match reach {
                TypePattern::Every => write!(f, "{comma}{word}*")?,
                TypePattern::One(name) => write!(f, "{comma}{word}{}", name.as_str())?,
            }
        }
        Ok(())
    }
}

impl Permission<'_> {
    /// Returns the scopes that grant the right, in the words of [`WORDS`]: `TYPE` is its type.
    #[must_use]
    pub fn scopes(self) -> Vec<&'static str> {
        let every = || TypePattern::Every;
        let scopes = [
            ("call:TYPE", Scope::Call(every())),
            ("deploy:TYPE", Scope::Deploy(every())),
            ("admin", Scope::Admin),
            ("metrics", Scope::Metrics),
        ];
        let granting = scopes.into_iter().filter(|(_, scope)| scope.grants(self));
        granting.map(|(word, _)| word).collect()
    }
}

/// Scopes that grant the right.
impl fmt::Display for Permission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(name) => write!(f, "call:{name}"),
            Self::Deploy(name) => write!(f, "deploy:{name}"),
            Self::DeploySome => write!(f, "deploy:TYPE, for the type of the component"),
            Self::Operate(name) => write!(f, "deploy:{name} or admin"),
            Self::See(name) => {
                // The name comes from a path and may not be a valid type name.
                let name = name.escape_debug();
                write!(f, "call:{name}, deploy:{name} or admin")
            }
            Self::SeeSome => write!(f, "call:TYPE, deploy:TYPE or admin"),
            Self::Administer => write!(f, "admin"),
            Self::Measure => write!(f, "metrics or admin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_give_what_the_table_says_and_nothing_else() {
        let rights = [
            Permission::Call("todo"),
            Permission::Call("list"),
            Permission::Deploy("todo"),
            Permission::Deploy("list"),
            Permission::DeploySome,
            Permission::Operate("todo"),
            Permission::Operate("list"),
            Permission::See("todo"),
            Permission::See("list"),
            Permission::SeeSome,
            Permission::Administer,
            Permission::Measure,
        ];
        // Columns: call, deploy, deploy some, operate, see, see some, administer, measure.
        for (scopes, given) in [
            ("call:todo", "10 00 0 00 10 1 0 0"),
            ("call:*", "11 00 0 00 11 1 0 0"),
            ("deploy:todo", "00 10 1 10 10 1 0 0"),
            ("deploy:*", "00 11 1 11 11 1 0 0"),
            ("admin", "00 00 0 11 11 1 1 1"),
            ("metrics", "00 00 0 00 00 0 0 1"),
            ("call:list,deploy:todo", "01 10 1 10 11 1 0 0"),
        ] {
            let read: Scopes = scopes.parse().unwrap();
            assert_eq!(read.to_string(), scopes);
            let given = given.chars().filter(|c| *c != ' ').map(|c| c == '1');
            for (right, is_given) in rights.into_iter().zip(given) {
                assert_eq!(read.grant(right), is_given, "{scopes}: {right:?}");
                assert!(!Scopes::default().grant(right));
            }
        }
    }

    #[test]
    fn what_is_no_scope_is_refused_and_not_repeated() {
        for text in ["", "call", "call:", "call:Todo", "root", "admin,", "call:a b", "admin:*"] {
            let error = text.parse::<Scopes>().expect_err(text);
            assert!(error.contains("call:TYPE"), "{error}");
        }
        assert!(!"hunter2".parse::<Scopes>().unwrap_err().contains("hunter2"));
    }

    #[test]
    fn the_scopes_of_a_right_are_those_that_grant_it() {
        for (right, scopes) in [
            (Permission::Call("todo"), "call:TYPE"),
            (Permission::See("todo"), "call:TYPE deploy:TYPE admin"),
            (Permission::Operate("todo"), "deploy:TYPE admin"),
            (Permission::DeploySome, "deploy:TYPE"),
            (Permission::Measure, "admin metrics"),
        ] {
            assert_eq!(right.scopes().join(" "), scopes, "{right:?}");
        }
    }
}
