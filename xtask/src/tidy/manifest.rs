//! Rule: dependencies are in alphabetical order in every `Cargo.toml`.
//!
//! The order keeps concurrent additions apart. Other tables may have any order that explains them best.

use super::file::{File, Finding};

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.path != "Cargo.toml" && !file.path.ends_with("/Cargo.toml") {
        return findings;
    }
    let mut is_inside = false;
    let mut previous = "";
    for (number, line) in (1..).zip(file.text.lines()) {
        if line.starts_with('[') {
            let table = line.trim_matches(['[', ']']);
            is_inside = table.ends_with("dependencies");
            previous = "";
        } else if let (true, Some(name)) = (is_inside, dependency(line)) {
            if name < previous {
                let what = format!("dependency `{name}` follows `{previous}`");
                findings.push(Finding::new(file, number, &what, "sort the table"));
            }
            previous = name;
        }
    }
    findings
}

/// Returns the name at the beginning of a line; continuation lines are indented or do not begin with a letter.
fn dependency(line: &str) -> Option<&str> {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')?;
    let name = line.get(..end)?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::file::{assert_findings, file};
    use super::*;

    #[test]
    fn unsorted_dependencies_are_found() {
        let text = "[package]\nversion = \"1\"\nname = \"x\"\n\n[workspace.dependencies]\nb = \"1\"\n# why\n\
            a.workspace = true\n\n[dev-dependencies]\na = { features = [\n    \"x\",\n] }\nab = \"1\"\n\n\
            [target.'cfg(unix)'.dependencies]\nserde_json = \"1\"\nserde = \"1\"\n";
        let expected =
            ["8: dependency `a` follows `b`", "18: dependency `serde` follows `serde_json`"];
        assert_findings(&check(&file("host/Cargo.toml", text)), &expected);
        assert_findings(&check(&file("deny.toml", text)), &[]);
    }
}
