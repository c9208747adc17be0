//! Numbers of repetitions of tests of faults, read from their source for display: `iterations(few, many)`. Only the
//! tests define these numbers, and no decision depends on this reader.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// Folder of these tests.
const FOLDER: &str = "tests/tests";

/// Place where a test repeats something.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    few: String,
    many: String,
}

/// Prints the repetitions of a soak.
pub(super) fn print(root: &Path) -> Result<()> {
    println!("A soak run repeats these more often:");
    let mut folders = vec![root.join(FOLDER)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    for path in files {
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        for Place { line, few, many } in places(&fs::read_to_string(&path)?) {
            println!("  {many:>6} instead of {few:>4}  {shown}:{line}");
        }
    }
    Ok(())
}

fn places(text: &str) -> Vec<Place> {
    let lines = text.lines().enumerate();
    lines.filter_map(|(index, line)| place(line, index + 1)).collect()
}

fn place(text: &str, line: usize) -> Option<Place> {
    let (_, arguments) = text.split_once("iterations(")?;
    let (arguments, _) = arguments.split_once(')')?;
    let (few, many) = arguments.split_once(", ")?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let number = |text: &str| is_number(text).then(|| text.replace('_', ""));
    Some(Place { line, few: number(few)?, many: number(many)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_the_text_of_tests() {
        let text = "fn a() {\n    for _ in 0..iterations(4, 1_000) {\n    iterations(few, 3)\n";
        let expected = Place { line: 2, few: "4".to_owned(), many: "1000".to_owned() };
        assert_eq!(places(text), [expected]);
    }
}
