//! The names of operations: no two alike, even for tools that write them in their own way.

use std::collections::BTreeSet;

/// All names so far.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The name as it is wanted, or with a number behind it where another one is written like it.
    pub(super) fn take(&mut self, wanted: String) -> String {
        let numbered = (2..).map(|number: u32| format!("{wanted}-{number}"));
        let names = std::iter::once(wanted.clone()).chain(numbered);
        // There are more numbers than names.
        names.into_iter().find(|name| self.0.insert(comparable(name))).unwrap_or(wanted)
    }
}

/// What tools make of a name: they write it in lower case with underscores, with capitals, or in other ways that keep
/// letters and digits alone.
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
