//! Rule for comments and documents: patterns that read as translated, and for which there is always a plainer sentence.

use super::file::{File, Finding};
use crate::prose::{banned, sentences::sentences};

/// The file that lists the patterns.
const PATTERNS: &str = "xtask/src/prose.rs";

pub(super) fn check(file: &File) -> Vec<Finding> {
    if file.path == PATTERNS {
        return Vec::new();
    }
    let all = sentences(&file.path, &file.text).into_iter();
    let found = all.filter_map(|sentence| banned(&sentence).map(|name| (sentence, name)));
    found
        .map(|(sentence, name)| {
            let begins: Vec<_> = sentence.words.iter().take(5).map(String::as_str).collect();
            let what = format!("\"{} …\": {name}", begins.join(" "));
            let mend = "name the actor as the subject, in the active voice";
            Finding::new(file, sentence.line, &what, mend)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::file::{assert_findings, file};
    use super::*;

    #[test]
    fn sentences_without_a_subject_are_found() {
        let text = "/// Returns the node.\n///\n/// Nobody is told.\nfn nobody() {}\n";
        let expected = "3: \"nobody is told …\": somebody/nobody/anybody";
        assert_findings(&check(&file("host/src/a.rs", text)), &[expected]);
        assert_findings(
            &check(&file("README.md", "Calls `nobody()`: somebody waits.\n")),
            &["1: \"somebody waits …\": somebody/nobody/anybody"],
        );
        assert_findings(&check(&file("a.json", "nobody")), &[]);
    }
}
