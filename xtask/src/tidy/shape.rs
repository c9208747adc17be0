//! Rules for a Rust file as a whole: its name, its length, and the head that states what it owns.

use super::file::{File, Finding};

/// Maximum lines of a source file.
const LINES_MAX: usize = 400;
/// Maximum lines of a test file.
const TEST_LINES_MAX: usize = 600;
/// Maximum lines of a `main.rs` without a head.
const TINY_LINES_MAX: usize = 10;

/// File names that do not describe the content.
const BANNED: [&str; 4] = ["mod.rs", "utils.rs", "common.rs", "helpers.rs"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    [name(file), length(file), head(file)].into_iter().flatten().collect()
}

fn name(file: &File) -> Option<Finding> {
    let name = file.path.rsplit('/').next()?;
    BANNED.contains(&name).then(|| {
        let mend = match name {
            "mod.rs" => "name it after the module, next to its folder",
            _ => "name it after what it owns",
        };
        Finding::new(file, 1, &format!("a file named {name}"), mend)
    })
}

fn length(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    let lines_max = if file.is_test() { TEST_LINES_MAX } else { LINES_MAX };
    (lines > lines_max).then(|| {
        let what = format!("file has {lines} lines, more than {lines_max}");
        Finding::new(file, lines, &what, "split it by responsibility")
    })
}

fn head(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    let is_tiny_main = file.path.ends_with("/main.rs") && lines <= TINY_LINES_MAX;
    if !file.is_source() || file.path.ends_with("/tests.rs") || is_tiny_main {
        return None;
    }
    let has_head = file.text.starts_with("//!");
    (!has_head).then(|| {
        Finding::new(
            file,
            1,
            "the file has no head",
            "describe with `//!` what the file owns, and its invariant",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::file::{assert_findings, file};
    use super::*;

    const HEAD: &str = "//! One.\n";

    #[track_caller]
    fn find(path: &str, lines: usize, head: &str, expected: &[&str]) {
        let rest = "fn f() {}\n".repeat(lines - head.lines().count());
        assert_findings(&check(&file(path, &format!("{head}{rest}"))), expected);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        find("host/src/mod.rs", 9, HEAD, &["1: a file named mod.rs"]);
        find("host/src/store/utils.rs", 9, HEAD, &["1: a file named utils.rs"]);
        find("host/src/model.rs", 9, HEAD, &[]);
    }

    #[test]
    fn long_files_are_found() {
        find("host/src/a.rs", 400, HEAD, &[]);
        find("host/src/a.rs", 401, HEAD, &["401: file has 401 lines, more than 400"]);
        find("host/src/a/tests.rs", 600, "", &[]);
        find("host/src/a/tests.rs", 601, "", &["601: file has 601 lines, more than 600"]);
        find("tests/tests/faults.rs", 600, "", &[]);
    }

    #[test]
    fn a_head_is_wanted_where_there_is_something_to_say() {
        find("host/src/a.rs", 41, "//! One.\n", &[]);
        find("host/src/a.rs", 40, "", &["1: the file has no head"]);
        find("host/src/main.rs", 10, "", &[]);
        find("example-objects/todo/src/lib.rs", 90, "//! One.\n", &[]);
        find("guest-sdk/examples/a.rs", 90, "", &[]);
    }
}
