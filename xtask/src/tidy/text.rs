//! Rules for any text: line ends, line lengths, the end of the file, and unfinished work.
//!
//! Lengths are in characters, since people read the lines. Generated files are not checked.

use super::file::{File, Finding};

/// Maximum length of a line of Rust, in characters. rustfmt wraps code at 100; comments and strings may be longer.
const LINE_CHARS_MAX: usize = 120;

/// Endings of files that people write.
const WRITTEN: [&str; 12] = [
    ".rs", ".toml", ".md", ".wit", ".sh", ".html", ".css", ".js", ".mjs", ".ts", ".json", ".ci/run",
];

/// Markers of unfinished work, assembled here so that this file does not contain them.
const UNDONE: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

pub(super) fn check(file: &File) -> Vec<Finding> {
    if !WRITTEN.iter().any(|ending| file.path.ends_with(ending)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in file.text.split_terminator('\n').enumerate() {
        let mut find = |what: &str, mend| {
            findings.push(Finding::new(file, index + 1, what, mend));
        };
        if line.trim_end() != line {
            find("space at the end of the line", "remove it");
        }
        let chars = line.chars().count();
        if file.is_rust() && chars > LINE_CHARS_MAX {
            let what = format!("line has {chars} characters, more than {LINE_CHARS_MAX}");
            find(&what, "break it");
        }
        if let Some(word) = undone(file, line) {
            find(&format!("`{word}`"), "do it, or track it elsewhere");
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        let line = file.text.lines().count();
        findings.push(Finding::new(file, line, "no newline at the end of the file", "add one"));
    }
    findings
}

/// Returns the marker in a line. Only comments of Rust files are checked: names may contain such a word in a
/// program about todos.
fn undone(file: &File, line: &str) -> Option<&'static str> {
    let prose = match file.is_rust() {
        true => line.split_once("//")?.1,
        false => line,
    };
    let words: Vec<_> = prose.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    UNDONE.into_iter().find(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use super::super::file::{assert_findings, file};
    use super::*;

    #[track_caller]
    fn find(path: &str, text: &str, expected: &[&str]) {
        assert_findings(&check(&file(path, text)), expected);
    }

    #[test]
    fn spaces_at_the_end_and_a_missing_newline_are_found() {
        find(
            "a.md",
            "one \ntwo",
            &["1: space at the end of the line", "2: no newline at the end of the file"],
        );
        find("a.md", "one\ntwo\n", &[]);
        find("a.stderr", "one \ntwo", &[]);
    }

    #[test]
    fn long_lines_of_rust_are_found() {
        let longest = "ä".repeat(120);
        find("a.rs", &format!("{longest}\n"), &[]);
        find("a.rs", &format!("{longest}ä\n"), &["1: line has 121 characters, more than 120"]);
        find("a.md", &format!("{longest}ä\n"), &[]);
    }

    #[test]
    fn work_left_undone_is_found_in_prose_only() {
        let word = UNDONE[0];
        let found = format!("1: `{word}`");
        find("a.rs", &format!("// {word}: more\n"), &[&found]);
        find("a.md", &format!("{word} more\n"), &[&found]);
        find("a.rs", &format!("const {word}: &str = \"todo\";\n"), &[]);
        find("a.rs", &format!("// see {word}_WASM, todo\n"), &[]);
    }
}
