//! Unique operation names. They stay distinct after tools have converted them to their own spelling.

use std::collections::BTreeSet;

/// All names assigned so far.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Assigns the wanted name. Appends a number if another name would have the same spelling.
    pub(super) fn take(&mut self, wanted: String) -> String {
        let numbered = (2..).map(|number: u32| format!("{wanted}-{number}"));
        let names = std::iter::once(wanted.clone()).chain(numbered);
        // The range of numbers exceeds the number of names, so this always finds one.
        names.into_iter().find(|name| self.0.insert(comparable(name))).unwrap_or(wanted)
    }
}

/// Normalizes a name. Tools convert names to snake case, camel case or other spellings, and all of these preserve
/// letters and digits.
pub(super) fn comparable(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_written_like_another_gets_a_number() {
        let mut names = Names::default();
        let mut take = |name: &str| names.take(name.to_owned());
        assert_eq!(take("a.b_c"), "a.b_c");
        assert_eq!(take("a-b.c"), "a-b.c-2");
        assert_eq!(take("A.BC"), "A.BC-3");
        assert_eq!(take("a.b"), "a.b");
    }
}
